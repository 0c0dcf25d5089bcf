/** Writes GGUF files for tests: any metadata and tensors, right or wrong; and a tiny model that is whole in every respect. */
import { tensorTypes } from '../../extension/engine/tensor-types'
import { ggufTypes, scalarBytes, type GgufType, type ScalarType } from '../../extension/engine/gguf-cursor'

export type Value =
  | { type: ScalarType; value: number }
  | { type: 'string'; value: string }
  | { type: 'array'; of: GgufType; value: readonly (number | string)[]; count?: number }

export interface Tensor {
  name: string
  shape: readonly number[]
  type: number
  /** Where the header says it is; the right place when left out. */
  offset?: number
  /** What it holds, in format 0 (F32), 1 (F16) or 8 (Q8_0); without, bytes of a pattern. */
  values?: Float32Array
}

export interface Gguf {
  metadata: Record<string, Value>
  tensors: Tensor[]
  version?: number
  alignment?: number
}

export const u32 = (value: number): Value => ({ type: 'u32', value })
export const f32 = (value: number): Value => ({ type: 'f32', value })
export const bool = (value: boolean): Value => ({ type: 'bool', value: Number(value) })
export const str = (value: string): Value => ({ type: 'string', value })

function number(type: GgufType, value: number): Buffer {
  const out = Buffer.alloc(type === 'string' || type === 'array' ? 0 : scalarBytes[type])
  if (type === 'u32') out.writeUInt32LE(value)
  else if (type === 'i32') out.writeInt32LE(value)
  else if (type === 'f32') out.writeFloatLE(value)
  else if (type === 'u64') out.writeBigUInt64LE(BigInt(value))
  else if (out.length === 1) out.writeUInt8(value)
  return out
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([number('u64', bytes.length), bytes])
}

const typed = (type: GgufType): Buffer => number('u32', ggufTypes.indexOf(type))

function encode(value: Value): Buffer {
  if (value.type === 'string') return Buffer.concat([typed('string'), text(value.value)])
  if (value.type !== 'array') return Buffer.concat([typed(value.type), number(value.type, value.value)])
  const elements = value.value.map((v) => (typeof v === 'string' ? text(v) : number(value.of, v)))
  return Buffer.concat([typed('array'), typed(value.of), number('u64', value.count ?? elements.length), ...elements])
}

/** The nearest half-precision number, for what is neither tiny nor huge. */
export function half(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!
  const exponent = ((bits >>> 23) & 0xff) - 112
  if (exponent <= 0) return 0
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff)
}

/** Values in the format of a tensor. Q8_0: blocks of 32 with a half-precision scale. */
function stored(type: number, values: Float32Array): Buffer {
  if (type === 0) return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  if (type === 1) return Buffer.from(Uint16Array.from(values, half).buffer)
  if (type !== 8) throw new Error(`values cannot be written in format ${type}`)
  const blocks = Buffer.alloc((values.length / 32) * 34)
  for (let block = 0; block < values.length / 32; ++block) {
    const part = values.subarray(block * 32, block * 32 + 32)
    const scale = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
    blocks.writeUInt16LE(half(scale), block * 34)
    part.forEach((value, i) => blocks.writeInt8(scale > 0 ? Math.round(value / scale) : 0, block * 34 + 2 + i))
  }
  return blocks
}

/** Everything before the tensors' bytes, and how far those of small tensors reach. */
export function ggufHeader(gguf: Gguf): { readonly header: Buffer; readonly end: number } {
  return headerOf(gguf, () => undefined)
}

/** The whole file; tensors without values are filled with a pattern that differs from byte to byte. */
export function writeGguf(gguf: Gguf): Buffer {
  const filled: { at: number; bytes: Buffer }[] = []
  const { header, end } = headerOf(gguf, ({ type, values }, at) => {
    if (values) filled.push({ at, bytes: stored(type, values) })
  })
  const data = Buffer.alloc(end)
  for (let i = 0; i < end; ++i) data[i] = (i * 31 + (i >> 8)) & 0xff
  for (const { at, bytes } of filled) bytes.copy(data, at)
  return Buffer.concat([header, data])
}

function headerOf(
  { metadata, tensors, version = 3, alignment = 32 }: Gguf,
  each: (tensor: Tensor, at: number) => void,
): { header: Buffer; end: number } {
  const pad = (n: number) => Math.ceil(n / alignment) * alignment
  const parts: Buffer[] = [Buffer.from('GGUF'), number('u32', version)]
  parts.push(number('u64', tensors.length), number('u64', Object.keys(metadata).length))
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), encode(value))
  let end = 0
  for (const tensor of tensors) {
    const { name, shape, type, offset } = tensor
    const format = tensorTypes.get(type)
    parts.push(text(name), number('u32', shape.length), ...shape.map((n) => number('u64', n)), number('u32', type))
    parts.push(number('u64', offset ?? end))
    const values = shape.reduce((a, b) => a * b, 1)
    // What claims more than a test can hold is not written.
    each(tensor, end)
    if (values < 1 << 24) end = pad(end + (format ? Math.ceil(values / format.block) * format.bytes : 0))
  }
  const header = Buffer.concat(parts)
  return { header: Buffer.concat([header, Buffer.alloc(pad(header.length) - header.length)]), end }
}

/** A llama model of two layers, two heads of 16 values and 300 tokens; or of another architecture with what that one needs. */
export function tinyModel(architecture = 'llama', layers = 2): Gguf {
  const [embedding, heads, keyHeads, head, feedForward, vocab] = [32, 2, 1, 16, 64, 300]
  const key = (name: string) => `${architecture}.${name}`
  const tokens = Array.from({ length: vocab }, (_, i) =>
    i < 256 ? `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>` : `t${i}`,
  )
  const tensors: Tensor[] = [
    { name: 'token_embd.weight', shape: [embedding, vocab], type: 8 },
    { name: 'output_norm.weight', shape: [embedding], type: 0 },
  ]
  for (let layer = 0; layer < layers; ++layer) {
    const add = (name: string, ...shape: number[]) =>
      tensors.push({ name: `blk.${layer}.${name}`, shape, type: shape.length === 1 ? 0 : 8 })
    add('attn_norm.weight', embedding)
    add('attn_q.weight', embedding, heads * head)
    add('attn_k.weight', embedding, keyHeads * head)
    add('attn_v.weight', embedding, keyHeads * head)
    add('attn_output.weight', heads * head, embedding)
    if (architecture === 'qwen2')
      for (const [n, c] of [['q', heads] as const, ['k', keyHeads] as const, ['v', keyHeads] as const])
        add(`attn_${n}.bias`, c * head)
    if (architecture === 'qwen3' || architecture === 'gemma3')
      for (const n of ['q', 'k']) add(`attn_${n}_norm.weight`, head)
    add('ffn_norm.weight', embedding)
    add('ffn_gate.weight', embedding, feedForward)
    add('ffn_up.weight', embedding, feedForward)
    add('ffn_down.weight', feedForward, embedding)
    if (architecture === 'gemma3')
      for (const n of ['post_attention_norm', 'post_ffw_norm']) add(`${n}.weight`, embedding)
  }
  return {
    metadata: {
      'general.architecture': str(architecture),
      'general.name': str('Tiny'),
      [key('block_count')]: u32(layers),
      [key('context_length')]: u32(512),
      [key('embedding_length')]: u32(embedding),
      [key('feed_forward_length')]: u32(feedForward),
      [key('attention.head_count')]: u32(heads),
      [key('attention.head_count_kv')]: u32(keyHeads),
      [key('attention.layer_norm_rms_epsilon')]: f32(1e-5),
      [key('rope.freq_base')]: f32(10000),
      'tokenizer.ggml.model': str('llama'),
      'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
      'tokenizer.ggml.scores': { type: 'array', of: 'f32', value: tokens.map((_, i) => -i) },
      'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: tokens.map((_, i) => (i < 256 ? 6 : 1)) },
      'tokenizer.ggml.bos_token_id': u32(256),
      'tokenizer.ggml.eos_token_id': u32(257),
      'tokenizer.chat_template': str('{{ messages }}'),
    },
    tensors,
  }
}
