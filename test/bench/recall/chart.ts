/**
 * Figures as a picture: horizontal bars in groups, as one self-contained SVG. Colours follow the reader's light or dark scheme,
 * the ground stays transparent, and every bar carries its number, so that nothing hangs on colour alone.
 */

export interface Bar {
  readonly label: string
  /** Between 0 and the chart's maximum. */
  readonly value: number
  /** Drawn in the accent colour: what the picture is about. */
  readonly accent?: boolean
}

export interface Chart {
  readonly title: string
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[]
  readonly maximum: number
}

// Pixels. Groups stand side by side; labels of the bars are written once, to their left.
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

export function barChart({ title, groups, maximum }: Chart): string {
  const labels = groups[0]?.bars.map(({ label }) => label) ?? []
  const width = labelWidth + groups.length * (groupWidth + groupGap)
  const height = top + labels.length * rowHeight + bottom
  const middle = (row: number): number => top + row * rowHeight + rowHeight / 2
  const body: string[] = [`<text class="title" x="0" y="18">${escaped(title)}</text>`]
  for (const [row, label] of labels.entries()) {
    body.push(`<text x="${labelWidth - 10}" y="${middle(row) + 4.5}" text-anchor="end">${escaped(label)}</text>`)
  }
  for (const [column, { name, bars }] of groups.entries()) {
    const left = labelWidth + column * (groupWidth + groupGap)
    // Room for the number behind a full bar.
    const full = groupWidth - 42
    body.push(`<text class="group" x="${left}" y="${top - 12}">${escaped(name)}</text>`)
    for (const [row, { value, accent }] of bars.entries()) {
      const at = `x="${left}" y="${middle(row) - barHeight / 2}" height="${barHeight}" rx="2"`
      const length = full * Math.min(1, Math.max(0, value / maximum))
      body.push(`<rect class="track" ${at} width="${full}"/>`)
      body.push(`<rect class="bar${accent === true ? ' accent' : ''}" ${at} width="${rounded(length)}"/>`)
      body.push(`<text class="value" x="${left + full + 8}" y="${middle(row) + 4.5}">${value.toFixed(2)}</text>`)
    }
  }
  const open =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-label="${escaped(title)}">`
  return `${[open, `<style>${style}</style>`, ...body, '</svg>'].join('\n')}\n`
}
