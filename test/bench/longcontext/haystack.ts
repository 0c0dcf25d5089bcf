/**
 * Real files as a text to find something in: repositories one after the other, their files in the order of their names, each under a
 * header with its path and cut into units as the product cuts them (without breadcrumbs, which would name what is asked for). A
 * stretch of it has any length; files are read when a stretch comes to them, and the last file is followed by the first.
 */
import * as path from 'node:path'
import type { NativeModel } from '../../../extension/engine/addon'
import type { StreamFile } from '../../../extension/infllm/lookup'
import type { Unit } from '../../../extension/protocol/types'
import { stripFile } from '../../../extension/recall/calibration/strip'
import type { LabelledQuestion } from '../../../extension/recall/calibration/questions'
import { fileHeader, unitTexts } from '../../../extension/recall/episode'
import { discover, readSource } from '../../../extension/workspace/discovery'
import { resolveImport } from '../../../extension/workspace/imports'
import { cutUnits, references } from '../../../extension/workspace/units'
import { chooseRepositories, fetchRepository } from '../corpus/fetch'
import { isOfCorpus, prepare } from '../recall/prepare'

export interface Piece extends Unit {
  readonly tokens: Int32Array
}

export interface HaystackFile {
  /** With the repository's name before its path. */
  readonly name: string
  readonly lines: readonly string[]
  readonly header: Int32Array
  readonly pieces: readonly Piece[]
}

export interface NamedFunction {
  readonly name: string
  readonly text: string
  readonly startLine: number
  readonly endLine: number
}

/** Units `from` to `to` (exclusive) of a file. */
export interface Part {
  readonly file: HaystackFile
  readonly from: number
  readonly to: number
}

interface Place {
  readonly root: string
  readonly file: string
  readonly name: string
}

type Tokenizer = Pick<NativeModel, 'tokenize'>

/** A file cut into units and these into tokens. */
export async function cutFile(model: Tokenizer, name: string, text: string): Promise<HaystackFile> {
  const units = await cutUnits(name, text)
  const texts = unitTexts(text, units)
  const pieces = units.map((unit, i) => ({ ...unit, tokens: model.tokenize(texts[i] ?? '', false) }))
  return { name, lines: text.split('\n'), header: model.tokenize(fileHeader(name), false), pieces }
}

/** The functions that a file defines. */
export async function functionsOf({ name, lines }: Pick<HaystackFile, 'name' | 'lines'>): Promise<NamedFunction[]> {
  const { definitions } = await stripFile(name, lines.join('\n'), { keepDocumentation: true })
  return definitions
    .filter(({ role, symbol }) => role === 'function' && symbol !== '')
    .map(({ symbol, startLine, endLine }) => ({
      name: symbol.split('.').at(-1) ?? symbol,
      text: lines.slice(startLine - 1, endLine).join('\n'),
      startLine,
      endLine,
    }))
}

const tokensOf = ({ file, from, to }: Part): number =>
  file.pieces.slice(from, to).reduce((sum, { tokens }) => sum + tokens.length, file.header.length)

export class Haystack {
  private readonly files = new Map<number, Promise<HaystackFile>>()
  private readonly functions = new Map<string, Promise<NamedFunction[]>>()

  private constructor(
    private readonly model: Tokenizer,
    private readonly places: readonly Place[],
    /** Of repositories without their documentation: what it says of functions. Files by the names of the haystack. */
    readonly questions: readonly LabelledQuestion[],
  ) {}

  /** @param what names or splits of the corpus, or folders; `stripped`: without documentation, which then asks. */
  static async open(model: Tokenizer, what: readonly string[], stripped: boolean): Promise<Haystack> {
    const places: Place[] = []
    const questions: LabelledQuestion[] = []
    for (const one of what)
      for (const { name, root, asked } of await repositories(one, stripped)) {
        const { files } = await discover(root)
        if (files.length === 0) throw new Error(`${root} has no files to read.`)
        places.push(...files.map(({ file }) => ({ root, file, name: `${name}/${file}` })))
        const there = new Set(files.map(({ file }) => file))
        for (const question of asked)
          if (there.has(question.file)) questions.push({ ...question, file: `${name}/${question.file}` })
      }
    return new Haystack(model, places, questions)
  }

  get size(): number {
    return this.places.length
  }

  indexOf(name: string): number {
    return this.places.findIndex((place) => place.name === name)
  }

  /** Without units where the product would not read it. */
  at(index: number): Promise<HaystackFile> {
    const place = this.places[index]
    if (!place) throw new Error(`There is no file ${String(index)}.`)
    let file = this.files.get(index)
    if (!file) {
      file = readSource(place.root, place.file).then((source) =>
        cutFile(this.model, place.name, 'text' in source ? source.text : ''),
      )
      this.files.set(index, file)
    }
    return file
  }

  /** Files of the same repository that a file imports, by their names here. */
  async importsOf(name: string): Promise<string[]> {
    const index = this.indexOf(name)
    const place = this.places[index]
    if (!place) return []
    const { file, root } = place
    const prefix = name.slice(0, name.length - file.length)
    const own = new Set(this.places.filter((one) => one.root === root).map((one) => one.file))
    const { imports } = await references(file, (await this.at(index)).lines.join('\n'))
    return [...new Set(imports.flatMap(({ module }) => resolveImport(file, module, own) ?? []))].map(
      (one) => prefix + one,
    )
  }

  /** Functions that stand whole in these parts. */
  async functionsIn(parts: readonly Part[]): Promise<NamedFunction[]> {
    const found: NamedFunction[] = []
    for (const { file, from, to } of parts) {
      const all = this.functions.get(file.name) ?? functionsOf(file)
      this.functions.set(file.name, all)
      const [first, last] = [file.pieces[from]?.startLine ?? 0, file.pieces[to - 1]?.endLine ?? 0]
      found.push(...(await all).filter(({ startLine, endLine }) => startLine >= first && endLine <= last))
    }
    return found
  }

  /**
   * What stands around some units of a file: at most `before` tokens before them and `after` behind, as many whole units as there is
   * room for. Throws where the repositories hold less.
   */
  async around(index: number, core: { from: number; to: number }, before: number, after: number): Promise<Part[]> {
    const file = await this.at(index)
    const [front, behind] = [before, after]
    const grown = { file, ...core }
    const fits = (piece: Piece | undefined, room: number): piece is Piece => piece !== undefined && piece.tokens.length <= room // prettier-ignore
    let room = front
    while (grown.from > 0 && fits(file.pieces[grown.from - 1], room)) room -= file.pieces[--grown.from]!.tokens.length
    const earlier = grown.from > 0 ? [] : await this.more(index, -1, room)
    room = behind
    while (fits(file.pieces[grown.to], room)) room -= file.pieces[grown.to++]!.tokens.length
    const later = grown.to < file.pieces.length ? [] : await this.more(index, 1, room)
    const names = [...earlier, grown, ...later].map((part) => part.file.name)
    if (new Set(names).size < names.length) throw new Error(`The repositories are too small for ${String(before + after)} tokens; name more of them.`) // prettier-ignore
    return [...earlier.toReversed(), grown, ...later]
  }

  /** Whole files from the one after (or before) on, then as much of one as there is room for. */
  private async more(index: number, step: 1 | -1, room: number): Promise<Part[]> {
    const parts: Part[] = []
    for (let k = 1; k <= this.size; k++) {
      const file = await this.at((((index + step * k) % this.size) + this.size) % this.size)
      const { pieces, header } = file
      let left = room - header.length
      if (pieces.length === 0) continue
      let count = 0
      const next = () => pieces[step > 0 ? count : pieces.length - 1 - count]
      for (let piece = next(); piece && piece.tokens.length <= left; piece = next()) {
        left -= piece.tokens.length
        count++
      }
      if (count === 0) break
      parts.push({ file, from: step > 0 ? 0 : pieces.length - count, to: step > 0 ? count : pieces.length })
      room = left
      if (count < pieces.length) break
    }
    return parts
  }
}

async function repositories(what: string, stripped: boolean) {
  if (stripped)
    return (await prepare(what)).map(({ name, tree, questions }) => ({ name, root: tree, asked: questions }))
  if (!isOfCorpus(what)) return [{ name: path.basename(path.resolve(what)), root: path.resolve(what), asked: [] }]
  const found = []
  for (const repository of chooseRepositories([what]))
    found.push({ name: repository.name, root: (await fetchRepository(repository)).folder, asked: [] })
  return found
}

/** A text that recall can read as files, and where in the stream its lines stand. */
export interface TextFile {
  readonly name: string
  readonly text: string
  /** Lines are 1-based and inclusive, tokens of the stream end exclusive. */
  readonly spans: readonly { readonly startLine: number; readonly endLine: number; readonly from: number; readonly to: number }[] // prettier-ignore
  /** Where it stands in the stream, and what it imports of it. */
  readonly place: StreamFile
}

export interface LaidOut {
  readonly tokens: Int32Array
  /** Of the units; they sum to the tokens. A header goes with the unit it stands before. */
  readonly lengths: Int32Array
  readonly files: readonly TextFile[]
}

/** The tokens of parts, `offset` tokens and one unit into a stream. `imports`: names of files that each part's file imports. */
export function layOutParts(parts: readonly Part[], offset: number, imports: readonly (readonly string[])[]): LaidOut {
  const tokens = new Int32Array(parts.reduce((sum, part) => sum + tokensOf(part), 0))
  const lengths: number[] = []
  const files: TextFile[] = []
  let at = 0
  for (const [i, { file, from, to }] of parts.entries()) {
    const pieces = file.pieces.slice(from, to)
    const begin = { at, unit: lengths.length }
    const first = (pieces[0]?.startLine ?? 1) - 1
    const spans: TextFile['spans'][number][] = []
    tokens.set(file.header, at)
    at += file.header.length
    pieces.forEach((piece, k) => {
      tokens.set(piece.tokens, at)
      lengths.push(piece.tokens.length + (k === 0 ? file.header.length : 0))
      const place = { from: offset + at, to: offset + at + piece.tokens.length }
      spans.push({ startLine: piece.startLine - first, endLine: piece.endLine - first, ...place })
      at += piece.tokens.length
    })
    const text = file.lines.slice(first, pieces.at(-1)?.endLine).join('\n') + '\n'
    const units = [begin.unit + 1, lengths.length + 1] as const
    const place = { file: file.name, from: offset + begin.at, to: offset + at, units, imports: imports[i] ?? [] }
    files.push({ name: file.name, text, spans, place })
  }
  return { tokens, lengths: Int32Array.from(lengths), files }
}
