/**
 * Models of real shapes with random F16 weights, written as a stream: what speed is measured with where no real weights are. Their
 * tokenizer knows bytes and as many other tokens as the shape has, or is that of another model.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { layerTensors, modelTensors, type Sizes } from '../../extension/engine/architectures'
import { readGguf, readIntegers, readStrings } from '../../extension/engine/gguf'
import { ggufHeader, half, tinyModel, u32, f32, type Tensor, type Value } from './gguf-writer'
import { gaussian } from './random-model'

export interface Shape extends Sizes {
  readonly architecture: string
  readonly layers: number
  /** Whether the output has weights of its own. */
  readonly output: boolean
  readonly ropeBase: number
}

export const shapes: Readonly<Record<string, Shape>> = {
  // To try a bench without waiting.
  tiny: { architecture: 'llama', layers: 4, embedding: 256, feedForward: 512, heads: 4, keyHeads: 2, headSize: 64, vocab: 4096, output: false, ropeBase: 1e5 }, // prettier-ignore
  'smollm2-135m': { architecture: 'llama', layers: 30, embedding: 576, feedForward: 1536, heads: 9, keyHeads: 3, headSize: 64, vocab: 49152, output: false, ropeBase: 1e5 }, // prettier-ignore
  'qwen2.5-1.5b': { architecture: 'qwen2', layers: 28, embedding: 1536, feedForward: 8960, heads: 12, keyHeads: 2, headSize: 128, vocab: 151936, output: false, ropeBase: 1e6 }, // prettier-ignore
  'llama-3-8b': { architecture: 'llama', layers: 32, embedding: 4096, feedForward: 14336, heads: 32, keyHeads: 8, headSize: 128, vocab: 128256, output: true, ropeBase: 5e5 }, // prettier-ignore
}

export function shapeNamed(name: string): Shape {
  const known = shapes[name]
  if (!known) throw new Error(`--shape takes ${Object.keys(shapes).join(', ')}, not "${name}".`)
  return known
}

const ALIGNMENT = 32
/** Random numbers of one matrix before they come again. */
const BLOCK = 1 << 20

/**
 * Writes the file; weights keep a vector's length about the same, norms are 1, biases 0.
 *
 * @param tokenizerOf a model whose tokenizer it gets; what the shape's vocabulary has beyond that is never used
 */
export async function writeShapeModel(file: string, shape: Shape, tokenizerOf?: string): Promise<void> {
  const { architecture, layers, output } = shape
  const wanted = modelTensors(architecture, shape)
  for (let layer = 0; layer < layers; ++layer) wanted.push(...layerTensors(architecture, shape, layer))
  let end = 0
  const tensors: Tensor[] = []
  for (const { name, shape: sides, required } of wanted) {
    if (!required && !(output && name === 'output.weight')) continue
    const type = sides.length === 1 ? 0 : 1
    tensors.push({ name, shape: sides, type, offset: end })
    end += Math.ceil((count(sides) * (type === 0 ? 4 : 2)) / ALIGNMENT) * ALIGNMENT
  }
  const handle = await open(file, 'w')
  try {
    await handle.writeFile(ggufHeader({ metadata: metadataOf(shape, tokenizerOf), tensors }).header)
    const blocks = new Map<number, Buffer>()
    for (const { name, shape: sides, type } of tensors) await writeTensor(handle, name, sides, type, blocks)
  } finally {
    await handle.close()
  }
}

const count = (sides: readonly number[]): number => sides.reduce((a, b) => a * b, 1)

async function writeTensor(
  handle: FileHandle,
  name: string,
  sides: readonly number[],
  type: number,
  blocks: Map<number, Buffer>,
): Promise<void> {
  if (type === 0) {
    const values = new Float32Array(count(sides)).fill(name.endsWith('norm.weight') ? 1 : 0)
    const bytes = Buffer.alloc(Math.ceil(values.byteLength / ALIGNMENT) * ALIGNMENT)
    bytes.set(Buffer.from(values.buffer))
    await handle.writeFile(bytes)
    return
  }
  const width = sides[0]!
  let block = blocks.get(width)
  if (!block) {
    const normal = gaussian(width)
    block = Buffer.from(Uint16Array.from({ length: BLOCK }, () => half(normal() / Math.sqrt(width))).buffer)
    blocks.set(width, block)
  }
  let left = Math.ceil((count(sides) * 2) / ALIGNMENT) * ALIGNMENT
  // Each tensor begins at another place of the block, so that no two are the same.
  let at = (name.length * 7919 + Buffer.from(name).reduce((sum, byte) => sum * 31 + byte, 0)) % BLOCK & ~1
  while (left > 0) {
    const part = block.subarray(at, Math.min(block.length, at + left))
    await handle.writeFile(part)
    left -= part.length
    at = 0
  }
}

function metadataOf(shape: Shape, tokenizerOf: string | undefined): Record<string, Value> {
  const { architecture } = shape
  const tiny = tinyModel(architecture, shape.layers).metadata
  const own: Record<string, Value> = {
    block_count: u32(shape.layers),
    context_length: u32(32768),
    embedding_length: u32(shape.embedding),
    feed_forward_length: u32(shape.feedForward),
    'attention.head_count': u32(shape.heads),
    'attention.head_count_kv': u32(shape.keyHeads),
    'rope.freq_base': f32(shape.ropeBase),
  }
  const others = Object.entries(tiny).filter(
    ([key]) => tokenizerOf === undefined || !key.startsWith(tokenizerKey) || key === 'tokenizer.chat_template',
  )
  return {
    ...Object.fromEntries(others),
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value])),
    ...(tokenizerOf === undefined ? bytesAlone(shape.vocab) : borrowed(tokenizerOf, shape.vocab)),
  }
}

const tokenizerKey = 'tokenizer.'

function bytesAlone(vocab: number): Record<string, Value> {
  const tokens = Array.from({ length: vocab }, (_, i) =>
    i < 256 ? `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>` : `t${i}`,
  )
  return {
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
    'tokenizer.ggml.scores': { type: 'array', of: 'f32', value: tokens.map((_, i) => -i) },
    'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: tokens.map((_, i) => (i < 256 ? 6 : 1)) },
  }
}

/** GGML's type of a token that stands for nothing. */
const unused = 5

/** The tokenizer of the model in the file `from`, with tokens that stand for nothing behind its own. */
function borrowed(from: string, vocab: number): Record<string, Value> {
  const header = readGguf(from)
  const metadata: Record<string, Value> = {}
  for (const [key, value] of header.metadata) {
    if (!key.startsWith(tokenizerKey)) continue
    if (value.type === 'array') {
      const { of } = value
      const list =
        of === 'string'
          ? readStrings(header, value).map((raw) => Buffer.from(raw, 'latin1').toString('utf8'))
          : readIntegers(header, value)
      metadata[key] = { type: 'array', of, value: list }
    } else metadata[key] = value.type === 'string' ? value : { type: value.type, value: Number(value.value) }
  }
  const pad = (key: string, more: (i: number) => number | string) => {
    const known = metadata[key]
    if (known?.type !== 'array') return
    if (known.value.length > vocab) throw new Error(`${from} has more tokens than the ${vocab} of this shape.`)
    const left = Array.from({ length: vocab - known.value.length }, (_, i) => more(known.value.length + i))
    metadata[key] = { ...known, value: [...known.value, ...left] }
  }
  pad('tokenizer.ggml.tokens', (i) => `<unused${i}>`)
  pad('tokenizer.ggml.token_type', () => unused)
  pad('tokenizer.ggml.scores', () => 0)
  return metadata
}
