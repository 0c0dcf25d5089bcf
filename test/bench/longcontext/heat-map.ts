/**
 * A picture of how many answers are right by the length of the text (columns) and the depth of what is wanted in it (rows): a map
 * for each task and way, as one self-contained SVG. Every field carries its percentage, so that nothing hangs on colour alone; the
 * ground stays transparent, and text follows the reader's light or dark scheme.
 */
import { cellsOf, distinct, lengthName, namesOf, type Figure } from './figures'

// Pixels. Maps stand one below the other.
const [fieldWidth, fieldHeight, left, titleHeight, axisHeight, gap] = [58, 26, 88, 30, 22, 14]

const style = `text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-size: 14px; font-weight: 600 }
.value { font-variant-numeric: tabular-nums; fill: #fff; font-weight: 600 } .low { fill: #24292f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .value { fill: #fff } .low { fill: #24292f } }`

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

/** From a pale to a dark blue: lightness falls as the share rises, so that it reads in grey, too. */
function colour(share: number): string {
  const mix = (from: number, to: number) => Math.round(from + (to - from) * share)
  return `rgb(${mix(221, 5)},${mix(232, 80)},${mix(247, 174)})`
}

export function heatMap(figures: readonly Figure[]): string {
  const maps = [...namesOf(figures)]
  const lengths = distinct(figures.map(({ length }) => length)).sort((a, b) => a - b)
  const depths = distinct(figures.map(({ depth }) => depth)).sort((a, b) => a - b)
  const mapHeight = titleHeight + depths.length * fieldHeight + axisHeight + gap
  const [width, height] = [left + lengths.length * fieldWidth, maps.length * mapHeight]
  const body: string[] = []
  maps.forEach(([name, own], map) => {
    const top = map * mapHeight + titleHeight
    const cells = cellsOf(own)
    body.push(`<text class="title" x="0" y="${top - 12}">${escaped(name)}</text>`)
    depths.forEach((depth, row) => {
      const middle = top + row * fieldHeight + fieldHeight / 2 + 4
      body.push(`<text x="${left - 8}" y="${middle}" text-anchor="end">${Math.round(depth * 100)} % deep</text>`)
    })
    lengths.forEach((length, column) => {
      const middle = left + column * fieldWidth + fieldWidth / 2
      const y = top + depths.length * fieldHeight + 15
      body.push(`<text x="${middle}" y="${y}" text-anchor="middle">${lengthName(length)}</text>`)
    })
    for (const { length, depth, right, cases } of cells) {
      const share = right / cases
      const x = left + lengths.indexOf(length) * fieldWidth
      const y = top + depths.indexOf(depth) * fieldHeight
      const place = `x="${x + 1}" y="${y + 1}" width="${fieldWidth - 2}" height="${fieldHeight - 2}" rx="2"`
      const at = `x="${x + fieldWidth / 2}" y="${y + fieldHeight / 2 + 4}" text-anchor="middle"`
      const title = `<title>${lengthName(length)} tokens, ${Math.round(depth * 100)} % deep: ${right} of ${cases} right</title>`
      body.push(`<rect ${place} fill="${colour(share)}">${title}</rect>`)
      body.push(`<text class="value${share < 0.5 ? ' low' : ''}" ${at}>${Math.round(share * 100)}</text>`)
    }
  })
  const title = 'Right answers in percent, by length of the text and depth of what is asked for'
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">`
  return `${[open, `<style>${style}</style>`, ...body, '</svg>'].join('\n')}\n`
}
