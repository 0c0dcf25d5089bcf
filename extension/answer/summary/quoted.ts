/** What a repository says of itself, in its own words with the lines: better than what a small model makes of them. */
import type { HeldFile } from '../../protocol/types'
import { neutral } from '../harmless'
import { codeBlock } from '../plain'
import { cite, type SummaryTools } from './types'

const readme = /(?:^|\/)readme(?:\.\w+)?$/i
const manual =
  /(?:^|\/)(?:readme|install|usage|contributing|development|getting.?started|deploy)[^/]*\.(?:md|rst|txt)$/i
const about =
  /\b(?:install|usage|use|getting started|quick ?start|start|run|running|build|test|tests|testing|develop|setup|set up|deploy)/i
const longestQuote = 6
const mostQuotes = 6

interface Block {
  readonly heading: string
  /** 1-based, of the first of its lines. */
  readonly line: number
  readonly lines: readonly string[]
}

/** Paragraphs and code blocks of a Markdown text, each with the heading that it stands under. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  let heading = ''
  let lines: string[] = []
  let fenced = false
  const close = (end: number) => {
    if (lines.length > 0) blocks.push({ heading, line: end - lines.length + 1, lines })
    lines = []
  }
  const all = text.split('\n')
  all.forEach((line, i) => {
    if (/^\s*(?:```|~~~)/.test(line)) {
      if (!fenced) close(i)
      fenced = !fenced
      lines.push(line)
      if (!fenced) close(i + 1)
    } else if (fenced) lines.push(line)
    else if (/^#{1,6}\s/.test(line)) {
      close(i)
      heading = line.replace(/^#+\s*/, '')
    } else if (line.trim() === '') close(i)
    else lines.push(line)
  })
  close(all.length)
  return blocks
}

/** Prose, and not a row of badges, HTML, a table or code. */
const isProse = ({ lines: [first = ''] }: Block): boolean =>
  !/^\s*(?:[<|!`~>]|\[!|\[\[|[-*=_]{3,})/.test(first) && /\w{3}/.test(first)

const nearest = (outline: readonly HeldFile[], pattern: RegExp): HeldFile[] =>
  outline.filter(({ file }) => pattern.test(file)).sort((a, b) => a.file.split('/').length - b.file.split('/').length)

const fence = /^\s*(?:`{3,}|~{3,})\s*([\w+#-]*)/

const quote = (file: string, { line, lines }: Block): string => {
  const shown = lines.slice(0, longestQuote)
  const place = cite({ file, startLine: line, endLine: line + shown.length - 1 })
  const [, language] = fence.exec(shown[0] ?? '') ?? []
  const code = shown.slice(1).filter((text, i) => i < lines.length - 2 || !fence.test(text))
  const quoted = language === undefined ? shown.map(neutral) : codeBlock(code.join('\n'), language).split('\n')
  return `${quoted.map((text) => `> ${text}`).join('\n')}\n>\n> ${place}`
}

/** The first paragraph of the topmost README. */
export async function purposeQuote(outline: readonly HeldFile[], tools: SummaryTools): Promise<string | undefined> {
  for (const { file } of nearest(outline, readme)) {
    const found = blocksOf(await tools.text(file)).find(isProse)
    if (found) return quote(file, found)
  }
  return undefined
}

/** What stands under headings that say how to run it, and the scripts of package.json. */
export async function runQuotes(outline: readonly HeldFile[], tools: SummaryTools): Promise<string | undefined> {
  const parts: string[] = []
  for (const { file } of nearest(outline, manual)) {
    const blocks = blocksOf(await tools.text(file)).filter(({ heading }) => about.test(heading))
    const seen = new Set<string>()
    for (const block of blocks) {
      // The first words and the first code of each heading.
      const kind = `${block.heading} ${isProse(block)}`
      if (seen.has(kind) || parts.length >= mostQuotes) continue
      seen.add(kind)
      parts.push(quote(file, block))
    }
  }
  for (const { file } of nearest(outline, /(?:^|\/)package\.json$/).slice(0, 1)) {
    const text = await tools.text(file)
    const lines = text.split('\n')
    for (const script of ['start', 'dev', 'build', 'test']) {
      const at = lines.findIndex((line) => new RegExp(`^\\s*"${script}"\\s*:\\s*"`).test(line))
      if (at >= 0) parts.push(`- \`npm run ${script}\` ${cite({ file, startLine: at + 1, endLine: at + 1 })}`)
    }
  }
  for (const { file } of nearest(outline, /(?:^|\/)makefile$/i).slice(0, 1)) {
    const lines = (await tools.text(file)).split('\n')
    lines.forEach((line, i) => {
      const target = /^(all|build|install|run|start|test|check)\s*:/.exec(line)?.[1]
      if (target) parts.push(`- \`make ${target}\` ${cite({ file, startLine: i + 1, endLine: i + 1 })}`)
    })
  }
  return parts.length === 0 ? undefined : parts.join('\n\n')
}
