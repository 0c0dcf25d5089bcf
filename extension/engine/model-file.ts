/**
 * Whether a GGUF file is a model that the engine can run: its hyperparameters are there and sane, every tensor of the graph is
 * there with the shape that follows from them, and its tokenizer is whole. Says what the model is, or one error why it is none.
 * Tokens are checked so closely because libllama aborts on some damaged vocabularies (llama-vocab.cpp: tokens there twice).
 */
import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { badArchitecture, badModel } from '../errors'
import { knownArchitectures, layerTensors, modelTensors, type Sizes, type WantedTensor } from './architectures'
import { printable, readGguf, readIntegers, readStrings, withModelFile } from './gguf'
import type { GgufArray, GgufHeader, GgufTensor } from './gguf'

export interface ModelFile extends Sizes {
  readonly path: string
  readonly architecture: string
  /** The name that the file gives itself, or that of the file. */
  readonly name: string
  readonly layers: number
  /** Tokens of context the model was trained for. */
  readonly context: number
  readonly chatTemplate?: string
  readonly tensors: readonly GgufTensor[]
  /** Size of the file. */
  readonly bytes: number
}

/**
 * Reads and checks a model's header (some 0.1 s; the weights are not read).
 * @throws LongreadError `bad-model` or `bad-architecture`, whatever the file is.
 */
export function readModelFile(path: string): ModelFile {
  const header = readGguf(path)
  const architecture = text(header, 'general.architecture')
  if (!architecture) throw badModel(path, 'it does not say which architecture it is of; it is damaged, get it again')
  if (!knownArchitectures.includes(architecture))
    throw badArchitecture(path, printable(architecture), knownArchitectures)
  if ((integer(header, 'split.count', 0, 1 << 16) ?? 0) > 1)
    throw badModel(path, 'it is one part of a split model; join the parts with "llama-gguf-split --merge" first')
  const vocab = checkTokenizer(header)
  const { layers, context, ...sizes } = readSizes(header, architecture, vocab)
  const wanted = modelTensors(architecture, sizes)
  for (let layer = 0; layer < layers; ++layer) wanted.push(...layerTensors(architecture, sizes, layer))
  for (const tensor of wanted) checkTensor(header, tensor)
  checkNoOther(header, architecture, new Set(wanted.map(({ name }) => name)))
  const chatTemplate = text(header, 'tokenizer.chat_template')
  return {
    path,
    architecture,
    name: printable(text(header, 'general.name') ?? path.replace(/^.*\//, '')),
    layers,
    context,
    ...sizes,
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    tensors: [...header.tensors.values()],
    bytes: header.bytes,
  }
}

const SAMPLES = 64
const SAMPLE_BYTES = 64 << 10

/**
 * A stable id of a model for keys of what is stored: sha256 over the file's size, its whole header (metadata, vocabulary, names,
 * shapes and places of tensors) and 64 samples of 64 KiB spread evenly over the tensors. It reads some 10 MB whatever the
 * size of the file, does not depend on its name or time, and tells apart conversions, quantisations and fine-tunes, as those
 * change values everywhere. It is no defence against someone who changes single weights between the samples.
 */
export function fingerprint(path: string): string {
  const { dataOffset, bytes } = readGguf(path)
  return withModelFile(path, (fd) => {
    const hash = createHash('sha256').update(`longread model 1\n${bytes}\n`)
    const chunk = Buffer.allocUnsafe(SAMPLE_BYTES)
    const add = (from: number, to: number) => {
      for (let at = from; at < to; ) {
        const n = readSync(fd, chunk, 0, Math.min(SAMPLE_BYTES, to - at), at)
        if (n === 0) throw badModel(path, 'it became shorter while it was read; wait until it is complete')
        hash.update(chunk.subarray(0, n))
        at += n
      }
    }
    const headerEnd = Math.min(dataOffset, bytes)
    add(0, headerEnd)
    const data = bytes - headerEnd
    if (data <= SAMPLES * SAMPLE_BYTES) add(headerEnd, bytes)
    else
      for (let i = 0; i < SAMPLES; ++i) {
        const from = headerEnd + Math.floor(((data - SAMPLE_BYTES) * i) / (SAMPLES - 1))
        add(from, from + SAMPLE_BYTES)
      }
    return hash.digest('hex')
  })
}

function text(header: GgufHeader, key: string): string | undefined {
  const entry = header.metadata.get(key)
  if (!entry) return undefined
  if (entry.type !== 'string') throw wrongType(header, key, 'text')
  return entry.value
}

// libllama asks for exactly these types (u32 and f32), so another one would be refused by it, later and less clearly.
function integer(header: GgufHeader, key: string, least: number, most: number): number | undefined {
  const entry = header.metadata.get(key)
  if (!entry) return undefined
  if (entry.type === 'array')
    throw badModel(
      header.path,
      `its layers differ from one another ("${key}" is a list), which Longread cannot read yet`,
    )
  if (entry.type !== 'u32') throw wrongType(header, key, 'a whole number')
  const value = Number(entry.value)
  if (value < least || value > most)
    throw badModel(
      header.path,
      `its "${key}" is ${value.toLocaleString('en')}, which cannot be; it is damaged, get it again`,
    )
  return value
}

function number(header: GgufHeader, key: string, least: number, most: number): number | undefined {
  const entry = header.metadata.get(key)
  if (!entry) return undefined
  if (entry.type !== 'f32') throw wrongType(header, key, 'a number')
  const value = Number(entry.value)
  if (!(value >= least && value <= most))
    throw badModel(header.path, `its "${key}" is ${value}, which cannot be; it is damaged, get it again`)
  return value
}

const wrongType = (header: GgufHeader, key: string, expected: string) =>
  badModel(header.path, `its "${key}" is not ${expected}; it is damaged or of another version, get it again`)

function required<T>(header: GgufHeader, key: string, value: T | undefined): T {
  if (value === undefined)
    throw badModel(header.path, `its metadata lacks "${key}"; get another conversion of the model`)
  return value
}

function readSizes(
  header: GgufHeader,
  architecture: string,
  vocab: number,
): Sizes & { readonly layers: number; readonly context: number } {
  const key = (name: string) => `${architecture}.${name}`
  const need = (name: string, most: number) => required(header, key(name), integer(header, key(name), 1, most))
  const layers = need('block_count', 1000)
  const context = need('context_length', 1 << 28)
  const embedding = need('embedding_length', 1 << 20)
  const feedForward = need('feed_forward_length', 1 << 22)
  const heads = need('attention.head_count', 1024)
  const keyHeads = integer(header, key('attention.head_count_kv'), 1, 1024) ?? heads
  const damaged = (why: string) => badModel(header.path, `${why}; it is damaged, get it again`)
  if (heads % keyHeads !== 0) throw damaged(`its ${heads} heads cannot share the keys of ${keyHeads}`)
  const keyLength = integer(header, key('attention.key_length'), 1, 4096)
  if (keyLength === undefined && embedding % heads !== 0)
    throw damaged(`its embedding of ${embedding} values cannot be split among ${heads} heads`)
  const headSize = keyLength ?? embedding / heads
  const valueLength = integer(header, key('attention.value_length'), 1, 4096) ?? headSize
  // ggml's flash attention takes vectors of whole sixteens, and keys and values of one length here.
  if (headSize % 16 !== 0 || valueLength !== headSize)
    throw badModel(
      header.path,
      `its heads of ${headSize} and ${valueLength} values are of a size that Longread cannot read`,
    )
  const ropeSize = integer(header, key('rope.dimension_count'), 1, 4096) ?? headSize
  // libllama, too, takes whole heads in all of these architectures.
  if (ropeSize !== headSize) throw damaged(`it turns ${ropeSize} of ${headSize} values by position`)
  required(
    header,
    key('attention.layer_norm_rms_epsilon'),
    number(header, key('attention.layer_norm_rms_epsilon'), 1e-12, 0.1),
  )
  checkPositions(header, key)
  if (architecture === 'gemma3') checkSliding(header, key, layers, headSize)
  if ((integer(header, key('expert_count'), 0, 1 << 20) ?? 0) > 0)
    throw badModel(header.path, 'it is a mixture of experts, which Longread cannot read yet')
  return { layers, context, embedding, feedForward, heads, keyHeads, headSize, vocab }
}

function checkPositions(header: GgufHeader, key: (name: string) => string): void {
  number(header, key('rope.freq_base'), 1, 1e12)
  const scaling = text(header, key('rope.scaling.type')) ?? 'linear'
  if (!['none', 'linear', 'yarn'].includes(scaling))
    throw badModel(header.path, `its positions are scaled by "${printable(scaling)}", which Longread cannot read yet`)
  for (const name of ['rope.scaling.factor', 'rope.scale_linear']) number(header, key(name), 0, 1e6)
  number(header, key('rope.scaling.attn_factor'), 1e-3, 1e3)
  integer(header, key('rope.scaling.original_context_length'), 0, 1 << 28)
}

/** Layers that see only a window of the text, and which of them do. */
function checkSliding(header: GgufHeader, key: (name: string) => string, layers: number, headSize: number): void {
  integer(header, key('attention.sliding_window'), 0, 1 << 28)
  number(header, key('rope.freq_base_swa'), 1, 1e12)
  number(header, key('final_logit_softcapping'), 0, 1e6)
  for (const name of ['attention.key_length_swa', 'attention.value_length_swa', 'rope.dimension_count_swa'])
    if ((integer(header, key(name), 1, 4096) ?? headSize) !== headSize)
      throw badModel(header.path, 'its sliding layers have heads of another size, which Longread cannot read yet')
  const pattern = key('attention.sliding_window_pattern')
  const entry = header.metadata.get(pattern)
  if (entry?.type !== 'array') integer(header, pattern, 0, 1000)
  else if (!['bool', 'u32', 'i32'].includes(entry.of)) throw wrongType(header, pattern, 'a list of yes and no')
  else if (entry.count !== layers)
    throw badModel(header.path, `it tells of ${entry.count} layers whether they slide, and has ${layers}`)
}

/** What the graph has no place for would be left out of every number, unnoticed. */
function checkNoOther(header: GgufHeader, architecture: string, wanted: ReadonlySet<string>): void {
  for (const name of header.tensors.keys())
    if (!wanted.has(name))
      throw badModel(
        header.path,
        `its tensor ${printable(name)} is no part of a model of architecture ${architecture}; get another conversion of the model`,
      )
}

function checkTensor(header: GgufHeader, { name, shape, required: needed }: WantedTensor): void {
  const tensor = header.tensors.get(name)
  const fail = (why: string) => badModel(header.path, `its tensor ${name} ${why}; get another conversion of the model`)
  if (!tensor) {
    if (needed) throw fail('is missing')
    return
  }
  // Trailing dimensions of 1 say nothing.
  const is = tensor.shape.filter((n, i) => n !== 1 || i < shape.length)
  if (is.length !== shape.length || is.some((n, i) => n !== shape[i]))
    throw fail(`is ${tensor.shape.join(' × ')} where its other sizes ask for ${shape.join(' × ')}`)
  if (shape.length === 1 && tensor.type.name !== 'F32') throw fail(`is stored as ${tensor.type.name} and not as F32`)
  if (!tensor.type.weights) throw fail(`is stored as ${tensor.type.name}, which is no format for weights`)
}

/** LLAMA_TOKEN_TYPE_BYTE of llama.h: a token that stands for one byte and is written <0xNN>. */
const BYTE_TOKEN = 6

/** @returns The number of tokens. */
function checkTokenizer(header: GgufHeader): number {
  const damaged = (why: string) => badModel(header.path, `its tokenizer ${why}; get another conversion of the model`)
  const kind = required(header, 'tokenizer.ggml.model', text(header, 'tokenizer.ggml.model'))
  if (kind !== 'gpt2' && kind !== 'llama')
    throw badModel(header.path, `its tokenizer is of the kind "${printable(kind)}", which Longread cannot read yet`)
  const list = (name: string, of: readonly GgufArray['of'][]): GgufArray | undefined => {
    const entry = header.metadata.get(`tokenizer.ggml.${name}`)
    if (entry && (entry.type !== 'array' || !of.includes(entry.of))) throw damaged(`has no proper list of ${name}`)
    return entry
  }
  const tokens = required(header, 'tokenizer.ggml.tokens', list('tokens', ['string']))
  // The smallest vocabulary that can write any text has 256 tokens; models of tests have less. The largest known: 262,144.
  if (tokens.count < 32 || tokens.count > 1 << 22) throw damaged(`has ${tokens.count.toLocaleString('en')} tokens`)
  const scores = list('scores', ['f32', 'i32'])
  const types = list('token_type', ['i32'])
  const merges = list('merges', ['string'])
  for (const [what, each] of [['scores', scores] as const, ['types', types] as const])
    if (each && each.count !== tokens.count) throw damaged(`has ${each.count} ${what} for ${tokens.count} tokens`)
  if (kind === 'gpt2' && !merges) throw damaged('has no merges')
  if (kind === 'llama' && !scores) throw damaged('has no scores')
  // Llama 3 has 2.2 merges a token, others less than one.
  if (merges && merges.count > 8 * tokens.count) throw damaged(`has ${merges.count} merges for ${tokens.count} tokens`)
  for (const name of ['bos', 'eos']) integer(header, `tokenizer.ggml.${name}_token_id`, 0, tokens.count - 1)
  required(header, 'tokenizer.ggml.eos_token_id', header.metadata.get('tokenizer.ggml.eos_token_id'))

  const words = readStrings(header, tokens)
  const seen = new Set<string>()
  words.forEach((word, id) => seen.add(word || `[EMPTY_${id}]`))
  if (seen.size !== words.length) throw damaged('has the same token twice')
  // libllama's SentencePiece takes for granted that any byte can be written; its own lookup throws on the first that cannot.
  if (kind === 'llama')
    for (let byte = 0; byte < 256; ++byte) {
      const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
      if (!seen.has(name) && !seen.has(String.fromCharCode(byte))) throw damaged(`has no token for the byte ${byte}`)
    }
  if (types)
    readIntegers(header, types).forEach((type, id) => {
      const word = words[id] ?? ''
      if (type === BYTE_TOKEN && !/^<0x[0-9A-Fa-f]{2}>$/.test(word))
        throw damaged(`takes the token "${printable(word)}" for a byte`)
    })
  return tokens.count
}
