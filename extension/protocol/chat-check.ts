/**
 * Checks what comes out of the webview before anything is done with it: repository text is shown there, so its messages are
 * treated as if that text had written them. Gives the message with nothing but its own fields, or undefined.
 */
import type { CodeAction, FromChat, Mention, PanelCommand } from './chat'
import type { Place } from './types'

/** Characters of a question; more is refused by the engine anyway. */
const longestText = 100_000
const mostMentions = 50

const panelCommands: Readonly<Record<PanelCommand, true>> = {
  read: true,
  pause: true,
  showLeftOut: true,
  export: true,
  downloadModel: true,
  chooseModel: true,
  restartEngine: true,
  showLog: true,
  openSettings: true,
  openFolder: true,
}
const codeActions: Readonly<Record<CodeAction, true>> = { copy: true, insert: true, apply: true }
const mentionKinds: Readonly<Record<Mention['kind'], true>> = {
  file: true,
  folder: true,
  symbol: true,
  selection: true,
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= longestText
const isId = (value: unknown): value is string => typeof value === 'string' && /^[\w-]{1,64}$/.test(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isKeyOf = <K extends string>(value: unknown, keys: Readonly<Record<K, true>>): value is K =>
  typeof value === 'string' && Object.hasOwn(keys, value)

/** A path that stays below the workspace folder. */
const isInside = (file: unknown): file is string =>
  typeof file === 'string' &&
  file.length > 0 &&
  file.length <= 4096 &&
  !file.includes('\0') &&
  !/^(?:[/\\]|[a-zA-Z]:)/.test(file.replace(/^\/$/, '.')) &&
  !file.split(/[/\\]/).includes('..')

function placeOf(value: unknown): Place | undefined {
  if (!isObject(value)) return undefined
  const { file, startLine, endLine } = value
  if (!isInside(file)) return undefined
  if (startLine === undefined) return { file }
  if (!isCount(startLine) || startLine < 1) return undefined
  if (endLine === undefined) return { file, startLine }
  return isCount(endLine) && endLine >= startLine ? { file, startLine, endLine } : undefined
}

function mentionsOf(value: unknown): Mention[] | undefined {
  if (!Array.isArray(value) || value.length > mostMentions) return undefined
  const mentions: Mention[] = []
  for (const item of value as unknown[]) {
    const place = placeOf(item)
    if (!place || !isObject(item)) return undefined
    const { kind, label } = item
    if (!isKeyOf(kind, mentionKinds) || typeof label !== 'string' || !/^\S{1,4096}$/.test(label)) return undefined
    mentions.push({ ...place, kind, label })
  }
  return mentions
}

export function fromChat(message: unknown): FromChat | undefined {
  if (!isObject(message)) return undefined
  const { type, text, turn, id, conversation } = message
  switch (type) {
    case 'ready':
    case 'stop':
    case 'new':
      return { type }
    case 'ask': {
      const mentions = mentionsOf(message['mentions'])
      return isText(text) && text.trim() !== '' && mentions ? { type, text, mentions } : undefined
    }
    case 'edit': {
      const mentions = mentionsOf(message['mentions'])
      return isText(text) && text.trim() !== '' && isId(turn) && mentions ? { type, turn, text, mentions } : undefined
    }
    case 'regenerate':
    case 'highlight':
    case 'copyAnswer':
      return isId(turn) ? { type, turn } : undefined
    case 'open': {
      const place = placeOf(message['place'])
      return place ? { type, place, beside: message['beside'] === true } : undefined
    }
    case 'code': {
      const { action } = message
      return isKeyOf(action, codeActions) && isText(text) ? { type, action, text } : undefined
    }
    case 'complete':
      return isCount(id) && isText(text) ? { type, id, text } : undefined
    case 'searchHistory':
      return isText(text) ? { type, text } : undefined
    case 'load':
    case 'forget':
      return isId(conversation) ? { type, conversation } : undefined
    case 'run': {
      const { command } = message
      return isKeyOf(command, panelCommands) ? { type, command } : undefined
    }
    default:
      return undefined
  }
}
