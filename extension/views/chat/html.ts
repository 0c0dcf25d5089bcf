/**
 * The page of the panel's webview. Nothing in it may fetch, navigate or run but the one script that ships with the extension: the
 * content security policy allows that script by a nonce, the style sheet and its font from the extension's folder, and nothing else.
 */
import { randomBytes } from 'node:crypto'
import type { ChatStrings } from '../../protocol/chat-strings'

export interface PageSources {
  /** What VS Code serves the extension's files under. */
  readonly cspSource: string
  readonly script: string
  readonly style: string
  readonly strings: ChatStrings
  readonly language: string
  /** Each has another background. */
  readonly where: 'view' | 'editor'
}

export function chatPage({ cspSource, script, style, strings, language, where }: PageSources): string {
  const nonce = randomBytes(18).toString('base64url')
  const policy = [
    `default-src 'none'`,
    `style-src ${cspSource}`,
    `font-src ${cspSource}`,
    `script-src 'nonce-${nonce}'`,
    `form-action 'none'`,
    `base-uri 'none'`,
  ].join('; ')
  return `<!DOCTYPE html>
<html lang="${attribute(language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${attribute(strings.title)}</title>
<link rel="stylesheet" href="${attribute(style)}">
</head>
<body data-where="${where}">
<div id="chat" data-strings="${attribute(JSON.stringify(strings))}"></div>
<script nonce="${nonce}" src="${attribute(script)}"></script>
</body>
</html>`
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const attribute = (text: string): string => text.replace(/[&<>"]/g, (c) => escapes[c] ?? c)
