/**
 * Names and lines of a repository where people see them. They may hold anything: what would move a cursor, reverse text or stay
 * unseen is shown as a visible escape, and what Markdown would take for its own is text.
 */

/** Control characters, and marks that change the direction of text or cannot be seen. */
export const unprintable =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** The same with what could move the cursor, colour the screen or reverse text as visible escapes. */
export const printable = (text: string): string =>
  text.replace(unprintable, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)

/** As `printable`, on one line. */
export const oneLine = (text: string): string => printable(text).replace(/[\t\n]/g, ' ')

/** As `oneLine`, where Markdown is rendered: it shows the text and nothing else. Underscores inside of words mean nothing there. */
export const inMarkdown = (text: string): string =>
  oneLine(text).replace(/[\\`*[\]<>&~|$]|:(?=\/\/)|(?<=\bwww)\.|(?<![\p{L}\p{N}_])_+|_+(?![\p{L}\p{N}_])/gu, (found) =>
    found.replace(/./g, '\\$&'),
  )

/** As `oneLine`, in a notification of VS Code, which makes links, of commands too, of what looks like one of Markdown. */
export const inNotice = (text: string): string => oneLine(text).replace(/\](?=\()/g, '] ')

/** As `oneLine`, as code inside of a line of Markdown. */
export function inCode(text: string): string {
  const line = oneLine(text)
  const fence = '`'.repeat(longestRun(line) + 1)
  const space = /^`|`$/.test(line) ? ' ' : ''
  return `${fence}${space}${line}${space}${fence}`
}

/** Lines of code as a block of Markdown, whose fence nothing in them ends. */
export function codeBlock(code: string, language = ''): string {
  const fence = '`'.repeat(Math.max(3, longestRun(code) + 1))
  return `${fence}${language}\n${code}\n${fence}`
}

const longestRun = (text: string): number => Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
