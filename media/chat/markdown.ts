/**
 * An answer's Markdown as HTML. The model may repeat anything that stands in the repository, so nothing of it may run, navigate or
 * fetch: HTML is text, links are shown and lead nowhere, pictures are their names; DOMPurify (main.tsx) has the last word.
 */
import hljs from 'highlight.js/lib/core'
import bash from 'highlight.js/lib/languages/bash'
import c from 'highlight.js/lib/languages/c'
import cpp from 'highlight.js/lib/languages/cpp'
import csharp from 'highlight.js/lib/languages/csharp'
import css from 'highlight.js/lib/languages/css'
import diff from 'highlight.js/lib/languages/diff'
import go from 'highlight.js/lib/languages/go'
import ini from 'highlight.js/lib/languages/ini'
import java from 'highlight.js/lib/languages/java'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import kotlin from 'highlight.js/lib/languages/kotlin'
import lua from 'highlight.js/lib/languages/lua'
import php from 'highlight.js/lib/languages/php'
import powershell from 'highlight.js/lib/languages/powershell'
import python from 'highlight.js/lib/languages/python'
import ruby from 'highlight.js/lib/languages/ruby'
import rust from 'highlight.js/lib/languages/rust'
import shell from 'highlight.js/lib/languages/shell'
import sql from 'highlight.js/lib/languages/sql'
import swift from 'highlight.js/lib/languages/swift'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'
import MarkdownIt from 'markdown-it'
import { insertAt } from '../../extension/answer/insertions'
import type { PlacedCitation } from '../../extension/protocol/chat'

const languages = {
  bash,
  c,
  cpp,
  csharp,
  css,
  diff,
  go,
  ini,
  java,
  javascript,
  json,
  kotlin,
  lua,
  php,
  powershell,
  python,
  ruby,
  rust,
  shell,
  sql,
  swift,
  typescript,
  xml,
  yaml,
}
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language)

/** Characters of private use: they stand where a citation goes, and a model's own are taken out first. */
const open = '\uE000'
const close = '\uE001'
const marks = /[\uE000\uE001]/g

export interface MarkdownLabels {
  readonly copy: string
  readonly insert: string
  readonly apply: string
  /** What a citation's button says to those who hear it. */
  readonly cite: (number: number) => string
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => escapes[character] ?? character)

function highlight(code: string, language: string): string {
  if (code.length > 20_000 || !hljs.getLanguage(language)) return escape(code)
  return hljs.highlight(code, { language, ignoreIllegals: true }).value
}

function renderer(labels: MarkdownLabels) {
  const md = new MarkdownIt({ html: false, linkify: false })
  const button = (action: string, icon: string, label: string) =>
    `<button type="button" class="icon codicon codicon-${icon}" data-code="${action}" title="${escape(label)}" aria-label="${escape(label)}"></button>`
  const block = (code: string, language: string) =>
    `<div class="code"><div class="code-bar"><span class="language">${escape(language)}</span>${button('copy', 'copy', labels.copy)}${button('insert', 'insert', labels.insert)}${button('apply', 'diff', labels.apply)}</div><pre tabindex="0"><code class="hljs">${highlight(code, language)}</code></pre></div>`
  md.renderer.rules['fence'] = (tokens, i) => {
    const { content = '', info = '' } = tokens[i] ?? {}
    return block(content, /^[\w+#-]*/.exec(info.trim())?.[0].toLowerCase() ?? '')
  }
  md.renderer.rules['code_block'] = (tokens, i) => block(tokens[i]?.content ?? '', '')
  md.renderer.rules['image'] = (tokens, i) => escape(tokens[i]?.content ?? '')
  // An address is shown, so that one sees what the text says, and leads nowhere.
  const address = (href: unknown) =>
    typeof href === 'string' && href !== '' ? ` <span class="address">(${escape(href)})</span>` : ''
  const opened: string[] = []
  md.renderer.rules['link_open'] = (tokens, i) => {
    const token = tokens[i]
    opened.push(token?.markup === 'autolink' ? '' : address(token?.attrGet('href')))
    return '<span class="link">'
  }
  md.renderer.rules['link_close'] = () => `</span>${opened.pop() ?? ''}`
  return md
}

/** HTML, still to be sanitised. Citations are buttons that carry their index as `data-cite` and show the number given. */
export function markdown(
  answer: string,
  citations: readonly PlacedCitation[],
  numbers: readonly number[],
  labels: MarkdownLabels,
): string {
  // Taking marks out may not move the places that are counted in characters.
  const clean = answer.replace(marks, '\uFFFD')
  const text = insertAt(
    clean,
    citations.map(({ at }, i) => ({ at, text: `${open}${i}${close}` })),
  )
  return renderer(labels)
    .render(text)
    .replace(/\uE000(\d+)\uE001/g, (_: string, index: string) => {
      const number = numbers[Number(index)] ?? 0
      return `<button type="button" class="cite" data-cite="${index}" aria-label="${escape(labels.cite(number))}">${number}</button>`
    })
}

/** Citations of one place have one number, counted as they come. */
export function numbersOf(citations: readonly PlacedCitation[]): number[] {
  const known = new Map<string, number>()
  return citations.map(({ file, startLine, endLine }) => {
    const key = `${file}:${startLine}-${endLine}`
    const number = known.get(key) ?? known.size + 1
    known.set(key, number)
    return number
  })
}

export const allowed = {
  ALLOWED_TAGS: [
    'p',
    'br',
    'hr',
    'em',
    'strong',
    's',
    'code',
    'pre',
    'blockquote',
    'ul',
    'ol',
    'li',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'table',
    'thead',
    'tbody',
    'tr',
    'th',
    'td',
    'span',
    'div',
    'button',
  ],
  ALLOWED_ATTR: ['class', 'type', 'title', 'aria-label', 'data-cite', 'data-code', 'start', 'tabindex'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
}
