/**
 * An answer in VS Code's own Markdown: what a small model repeats of a repository may show no picture and be no link there. HTML is
 * text there already.
 */
import { outsideCode } from '../answer/outside-code'

export const harmless = (text: string): string =>
  outsideCode(text, (words) =>
    words
      .replace(/!\[/g, '!\\[')
      .replace(/\](?=[([:])/g, '\\]')
      .replace(/(?:https?|command|file|vscode\S*):(?=\S)/gi, '$&\u200b'),
  )
