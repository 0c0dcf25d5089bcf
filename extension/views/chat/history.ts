/**
 * Conversations of a workspace on disk, one JSON file each, so that they survive a restart and a crash: written aside and renamed.
 * What cannot be read any more counts as gone.
 */
import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import * as path from 'node:path'
import type { Conversation, ConversationSummary, Turn } from '../../protocol/chat'
import { writeWhole } from '../../store/whole-file'

/** Conversations that are kept; of more, the oldest go. */
const mostKept = 200
/** Characters around what a search has found. */
const excerptSide = 40

export const newConversation = (): Conversation => ({ id: randomUUID(), turns: [] })

export class History {
  private writing: Promise<unknown> = Promise.resolve()

  /** @param folder where they lie, or undefined: nothing is kept. */
  constructor(private readonly folder: string | undefined) {}

  /** Keeps a conversation as it is now. Writes follow one another; one that fails rejects and harms no other. */
  save(conversation: Conversation): Promise<void> {
    const { folder } = this
    if (folder === undefined || conversation.turns.length === 0) return Promise.resolve()
    return this.inTurn(async () => {
      await writeWhole(this.file(folder, conversation.id), JSON.stringify(conversation))
      const others = await this.all()
      for (const { id } of others.slice(mostKept)) await rm(this.file(folder, id), { force: true })
    })
  }

  async load(id: string): Promise<Conversation | undefined> {
    await this.writing
    return this.read(id)
  }

  async remove(id: string): Promise<void> {
    const { folder } = this
    if (folder !== undefined) await this.inTurn(() => rm(this.file(folder, id), { force: true }))
  }

  /** The newest first; with words, only conversations that hold all of them. */
  async list(search = ''): Promise<ConversationSummary[]> {
    await this.writing
    const words = search.toLowerCase().split(/\s+/).filter(Boolean)
    return (await this.all()).flatMap((conversation): ConversationSummary[] => {
      const texts = conversation.turns.flatMap(({ question, answer }) => [question, answer])
      const text = texts.join('\n')
      const lower = text.toLowerCase()
      if (!words.every((word) => lower.includes(word))) return []
      const { id, turns } = conversation
      const title = turns[0]?.question ?? ''
      return [{ id, title, asked: lastAsked(conversation), turns: turns.length, excerpt: excerpt(text, words[0]) }]
    })
  }

  private async all(): Promise<Conversation[]> {
    const { folder } = this
    if (folder === undefined) return []
    const names = await readdir(folder).catch(() => [])
    const ids = names.flatMap((name) => /^([\w-]+)\.json$/.exec(name)?.[1] ?? [])
    const read = await Promise.all(ids.map((id) => this.read(id)))
    return read.filter((c) => c !== undefined).sort((a, b) => lastAsked(b) - lastAsked(a))
  }

  private async read(id: string): Promise<Conversation | undefined> {
    if (this.folder === undefined || !/^[\w-]+$/.test(id)) return undefined
    try {
      const { turns, folder } = JSON.parse(await readFile(this.file(this.folder, id), 'utf8')) as Conversation
      // Whatever was running then runs no more.
      const settled = turns.map((turn): Turn => (turn.state === 'running' ? { ...turn, state: 'stopped' } : turn))
      return { id, turns: settled, ...(folder === undefined ? {} : { folder }) }
    } catch {
      return undefined
    }
  }

  private file(folder: string, id: string): string {
    return path.join(folder, `${id}.json`)
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.writing.then(work)
    this.writing = next.catch(() => undefined)
    return next
  }
}

const lastAsked = ({ turns }: Conversation): number => turns.at(-1)?.asked ?? 0

function excerpt(text: string, word: string | undefined): string {
  if (word === undefined) return ''
  const at = text.toLowerCase().indexOf(word)
  const from = Math.max(0, at - excerptSide)
  const to = Math.min(text.length, at + word.length + excerptSide)
  const cut = text.slice(from, to).replace(/\s+/g, ' ')
  return `${from > 0 ? '…' : ''}${cut}${to < text.length ? '…' : ''}`
}
