/**
 * Tiny models of random weights, of every architecture that the engine reads, each with a tokenizer and chat template of its kind:
 * whole models to libllama, too, so that its numbers can be compared with ours.
 */
import { layerTensors, modelTensors, type Sizes, type WantedTensor } from '../../extension/engine/architectures'
import { bool, f32, str, u32, type Gguf, type Value } from './gguf-writer'

export interface RandomOptions extends Partial<Sizes> {
  readonly architecture: string
  readonly layers?: number
  /** Optional tensors that the model has. */
  readonly with?: RegExp
  /** Metadata beside the sizes, without the architecture's name before it. */
  readonly metadata?: Readonly<Record<string, Value>>
  /** All weights F32; otherwise F32, F16 and Q8_0 in turn. */
  readonly full?: boolean
}

export interface RandomModel extends Sizes {
  readonly architecture: string
  readonly layers: number
  readonly gguf: Gguf
  /** By name, row after row; rounded in the file where it is not F32. */
  readonly weights: ReadonlyMap<string, Float32Array>
}

export const epsilon = 1e-6

export function randomModel({ architecture, layers = 8, metadata = {}, ...options }: RandomOptions): RandomModel {
  const tokenizer = /^qwen/.test(architecture) ? bytePairs() : sentencePieces(architecture === 'gemma3')
  const vocab = tokenizer.size
  const sizes: Sizes = { embedding: 64, feedForward: 96, heads: 4, keyHeads: 2, headSize: 32, vocab, ...options }
  const random = gaussian(architecture.length * 7919 + layers)
  const wanted = modelTensors(architecture, sizes)
  for (let layer = 0; layer < layers; ++layer) wanted.push(...layerTensors(architecture, sizes, layer))
  const held = wanted.filter(({ name, required }) => required || options.with?.test(name))
  const weights = new Map(held.map((tensor) => [tensor.name, valuesOf(tensor, random)]))
  const formats = options.full ? [0] : [8, 0, 1, 8]
  const tensors = held.map(({ name, shape }, i) => ({
    name,
    shape,
    type: shape.length === 1 ? 0 : formats[i % formats.length]!,
    values: weights.get(name)!,
  }))
  const own: Record<string, Value> = {
    block_count: u32(layers),
    context_length: u32(2048),
    embedding_length: u32(sizes.embedding),
    feed_forward_length: u32(sizes.feedForward),
    'attention.head_count': u32(sizes.heads),
    'attention.head_count_kv': u32(sizes.keyHeads),
    'attention.key_length': u32(sizes.headSize),
    'attention.value_length': u32(sizes.headSize),
    'attention.layer_norm_rms_epsilon': f32(epsilon),
    'rope.freq_base': f32(10000),
    ...metadata,
  }
  const gguf: Gguf = {
    metadata: {
      'general.architecture': str(architecture),
      'general.name': str(`Random ${architecture}`),
      ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value])),
      ...tokenizer.metadata,
    },
    tensors,
  }
  return { ...sizes, architecture, layers, gguf, weights }
}

/** Norms about 1, biases and factors far enough from what leaving them out would do, matrices that keep a vector's length. */
function valuesOf({ name, shape }: WantedTensor, random: () => number): Float32Array {
  const length = shape.reduce((a, b) => a * b, 1)
  if (name === 'rope_freqs.weight') return Float32Array.from({ length }, (_, i) => (i < length / 2 ? 1 : 1 + i / 4))
  if (name.endsWith('norm.weight')) return Float32Array.from({ length }, () => 1 + 0.3 * random())
  if (name.endsWith('.bias')) return Float32Array.from({ length }, () => 0.5 * random())
  const size = (/attn_[qk]\./.test(name) ? 1.5 : 1) / Math.sqrt(shape[0]!)
  return Float32Array.from({ length }, () => size * random())
}

/** Normally distributed numbers, the same for the same seed (Box and Muller over a linear congruence). */
export function gaussian(seed: number): () => number {
  let state = seed >>> 0
  const uniform = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) + 1) / 4294967297
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}

interface VocabularyOf {
  readonly size: number
  readonly metadata: Readonly<Record<string, Value>>
}

const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const BYTE = 6
const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i))

function vocabulary(tokens: readonly (readonly [string, number])[], metadata: Record<string, Value>): VocabularyOf {
  return {
    size: tokens.length,
    metadata: {
      'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens.map(([text]) => text) },
      'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: tokens.map(([, type]) => type) },
      ...metadata,
    },
  }
}

/** SentencePiece, as Llama 2 and Gemma have it; it adds a begin token. */
function sentencePieces(gemma: boolean): VocabularyOf {
  const [begin, end] = gemma ? ['<bos>', '<eos>'] : ['<s>', '</s>']
  const turns = gemma ? ['<start_of_turn>', '<end_of_turn>'] : ['<|im_start|>', '<|im_end|>']
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`)
  const tokens: [string, number][] = [
    ['<unk>', UNKNOWN],
    ...[begin, end, ...turns].map((text): [string, number] => [text, CONTROL]),
    ...bytes.map((text): [string, number] => [text, BYTE]),
    ...['▁', ...letters, 'th', 'he', '▁th', 'the', '▁the'].map((text): [string, number] => [text, NORMAL]),
  ]
  const template = gemma
    ? "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content'] + '<end_of_turn>\n' }}{% endfor %}"
    : chatMl
  return vocabulary(tokens, {
    'tokenizer.ggml.model': str('llama'),
    'tokenizer.ggml.pre': str('default'),
    'tokenizer.ggml.scores': { type: 'array', of: 'f32', value: tokens.map((_, i) => i / 100 - 10) },
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
    'tokenizer.ggml.unknown_token_id': u32(0),
    'tokenizer.ggml.add_bos_token': bool(true),
    // Llama 2's adds a space before a text, Gemma's does not.
    'tokenizer.ggml.add_space_prefix': bool(!gemma),
    'tokenizer.chat_template': str(template),
  })
}

/** Byte pairs, as Qwen has them; it adds no begin token. */
function bytePairs(): VocabularyOf {
  // GPT-2 writes bytes that are no printable character as the characters from 256 on.
  let other = 256
  const shown = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173)
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCodePoint(shown(i) ? i : other++))
  const merges = ['t h', 'h e', 'th e', 'Ġ the']
  const control = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
  const tokens: [string, number][] = [
    ...[...bytes, ...merges.map((pair) => pair.replace(' ', ''))].map((text): [string, number] => [text, NORMAL]),
    ...control.map((text): [string, number] => [text, CONTROL]),
  ]
  return vocabulary(tokens, {
    'tokenizer.ggml.model': str('gpt2'),
    'tokenizer.ggml.pre': str('qwen2'),
    'tokenizer.ggml.merges': { type: 'array', of: 'string', value: merges },
    'tokenizer.ggml.bos_token_id': u32(tokens.length - 3),
    'tokenizer.ggml.eos_token_id': u32(tokens.length - 3),
    'tokenizer.ggml.add_bos_token': bool(false),
    'tokenizer.chat_template': str(chatMl),
  })
}

const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
