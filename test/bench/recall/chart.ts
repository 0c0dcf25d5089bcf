/**
 * Figures as a picture: horizontal bars in groups, as one self-contained SVG. Colours follow the reader's light or dark scheme,
 * the ground stays transparent, and every bar carries its number, so that nothing hangs on colour alone.
 */

export interface Bar {
  readonly label: string
  /** Between 0 and the chart's maximum; undefined where nothing was measured, which is no 0. */
  readonly value: number | undefined
  /** Drawn in the accent colour: what the picture is about. */
  readonly accent?: boolean
}

export interface Chart {
  readonly title: string
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[]
  readonly maximum: number
}

// Pixels. Two groups stand side by side; labels of the bars are written to their left.
const labelWidth = 190
const groupWidth = 250
const groupGap = 30
const rowHeight = 26
const barHeight = 16
const top = 66
const bottom = 14

const style = `text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 } .group { font-weight: 600 } .value { font-variant-numeric: tabular-nums }
.track { fill: #afb8c1; fill-opacity: .25 } .bar { fill: #6e7781 } .accent { fill: #0969da }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #8b949e } .accent { fill: #58a6ff } }`

const escaped = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')

const rounded = (value: number): string => String(Math.round(value * 10) / 10)

/** Groups of one row of the picture; the labels of the bars are written once a row. */
const groupsInRow = 2

export function barChart({ title, groups, maximum }: Chart): string {
  const labels = groups[0]?.bars.map(({ label }) => label) ?? []
  const blockHeight = top + labels.length * rowHeight + bottom
  const width = labelWidth + Math.min(groups.length, groupsInRow) * (groupWidth + groupGap)
  const height = Math.ceil(groups.length / groupsInRow) * blockHeight
  const body: string[] = [`<text class="title" x="0" y="18">${escaped(title)}</text>`]
  for (const [at, { name, bars }] of groups.entries()) {
    const column = at % groupsInRow
    const blockTop = top + Math.floor(at / groupsInRow) * blockHeight
    const middle = (row: number): number => blockTop + row * rowHeight + rowHeight / 2
    if (column === 0)
      for (const [row, label] of labels.entries())
        body.push(`<text x="${labelWidth - 10}" y="${middle(row) + 4.5}" text-anchor="end">${escaped(label)}</text>`)
    const left = labelWidth + column * (groupWidth + groupGap)
    // Room for the number behind a full bar.
    const full = groupWidth - 42
    body.push(`<text class="group" x="${left}" y="${blockTop - 12}">${escaped(name)}</text>`)
    for (const [row, { value, accent }] of bars.entries()) {
      const place = `x="${left}" y="${middle(row) - barHeight / 2}" height="${barHeight}" rx="2"`
      body.push(`<rect class="track" ${place} width="${full}"/>`)
      if (value !== undefined) {
        const length = full * Math.min(1, Math.max(0, value / maximum))
        body.push(`<rect class="bar${accent === true ? ' accent' : ''}" ${place} width="${rounded(length)}"/>`)
      }
      const number = value === undefined ? '–' : value.toFixed(2)
      body.push(`<text class="value" x="${left + full + 8}" y="${middle(row) + 4.5}">${number}</text>`)
    }
  }
  const open =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-label="${escaped(title)}">`
  return `${[open, `<style>${style}</style>`, ...body, '</svg>'].join('\n')}\n`
}
