/**
 * A transformer of the llama family computed as plainly as it is written down, in double precision and without ggml: what the
 * engine's shortcuts (stopping early, a window that slides, keys taken before they are turned) are compared with.
 */
import { epsilon, type RandomModel } from './random-model'

export interface PlainOptions {
  readonly model: RandomModel
  readonly tokens: Int32Array
  /** Layers that are computed; the last one only as far as its queries and keys. */
  readonly layers: number
  /** Tokens that are seen, 0 for all; and how many of the first ones are seen always. */
  readonly window: number
  readonly sinks: number
  /** Of each token: how far the sinks are turned on from where they stood, once the window has slid. */
  readonly sinkShift: (token: number) => number
  /** Whether a layer slides by itself, and how wide it sees. */
  readonly slides: (layer: number) => boolean
  readonly slidingWindow: number
  readonly rope: (layer: number) => PlainRope
}

export interface PlainRope {
  readonly base: number
  /** 1 / factor. */
  readonly scale: number
  /** The context before YaRN stretched it; without, positions are only scaled. */
  readonly yarn?: number
}

/** Of each layer, not turned by position: [token][head × head size]. */
export interface PlainLayer {
  readonly queries: readonly Float64Array[]
  readonly keys: readonly Float64Array[]
}

/** What a layer's heads attend to, [token][head × head size], from its queries, keys and values. */
export type Attend = (
  layer: number,
  queries: readonly Float64Array[],
  keys: readonly Float64Array[],
  values: readonly Float64Array[],
) => Float64Array[]

export function readPlainly(options: PlainOptions): PlainLayer[] {
  const { model, tokens, layers } = options
  return runPlainly(model, tokens, layers, false, (...layer) => attend(options, ...layer)).layers
}

/** The layers, the last one only as far as its queries and keys unless it is `whole`; then also [token][vocabulary]. */
export function runPlainly(
  model: RandomModel,
  tokens: Int32Array,
  count: number,
  whole: boolean,
  attend: Attend,
): { layers: PlainLayer[]; logits: Float64Array[] } {
  const weight = (name: string) => model.weights.get(name)
  const gemma = model.architecture === 'gemma3'
  const embeddings = weight('token_embd.weight')!
  const { embedding } = model
  let x = Array.from(tokens, (token) =>
    Float64Array.from(embeddings.subarray(token * embedding, (token + 1) * embedding), (value) =>
      gemma ? value * Math.sqrt(embedding) : value,
    ),
  )
  const layers: PlainLayer[] = []
  for (let l = 0; l < count; ++l) {
    const of = (name: string) => weight(`blk.${l}.${name}`)
    const linear = (name: string, input: Float64Array) => multiply(of(`${name}.weight`)!, input, of(`${name}.bias`))
    const normed = x.map((row) => norm(row, of('attn_norm.weight')!))
    const heads = (name: string) =>
      normed.map((row) => normHeads(linear(name, row), of(`${name}_norm.weight`), model.headSize))
    const [queries, keys] = [heads('attn_q'), heads('attn_k')]
    layers.push({ queries, keys })
    if (l + 1 === count && !whole) break
    const values = normed.map((row) => linear('attn_v', row))
    x = attend(l, queries, keys, values).map((mixed, t) => {
      let attended = linear('attn_output', mixed)
      if (gemma) attended = norm(attended, of('post_attention_norm.weight')!)
      const middle = attended.map((value, i) => value + x[t]![i]!)
      const input = norm(middle, of('ffn_norm.weight')!)
      const [gate, up] = [linear('ffn_gate', input), linear('ffn_up', input)]
      let fed = linear(
        'ffn_down',
        gate.map((value, i) => (gemma ? gelu(value) : value / (1 + Math.exp(-value))) * up[i]!),
      )
      if (gemma) fed = norm(fed, of('post_ffw_norm.weight')!)
      return fed.map((value, i) => value + middle[i]!)
    })
  }
  const output = weight('output.weight') ?? embeddings
  const logits = whole
    ? x.map((row) => multiply(output, norm(row, weight('output_norm.weight')!), weight('output.bias')))
    : []
  return { layers, logits }
}

function attend(
  options: PlainOptions,
  layer: number,
  queries: readonly Float64Array[],
  keys: readonly Float64Array[],
  values: readonly Float64Array[],
): Float64Array[] {
  const { model, window, sinks, sinkShift, slidingWindow } = options
  const { headSize, heads, keyHeads } = model
  const rope = options.rope(layer)
  // A window narrower than the layer's own is filled up with sinks, as elsewhere.
  const own = options.slides(layer) && !(window > 0 && window < slidingWindow)
  const seen = own ? slidingWindow : window
  const turned = (rows: readonly Float64Array[]) => rows.map((row, t) => rotate(row, t, model, rope))
  const [q, k] = [turned(queries), turned(keys)]
  return q.map((query, t) => {
    const visible: number[] = []
    for (let s = 0; s <= t; ++s) if (seen === 0 || t - s < seen || (!own && s < sinks)) visible.push(s)
    const shift = own ? 0 : sinkShift(t)
    const keyOf = visible.map((s) => (s < sinks && shift > 0 ? rotate(keys[s]!, s + shift, model, rope) : k[s]!))
    const mixed = new Float64Array(heads * headSize)
    const shares = new Float64Array(visible.length)
    for (let head = 0; head < heads; ++head) {
      const [at, from] = [head * headSize, Math.floor((head * keyHeads) / heads) * headSize]
      keyOf.forEach((key, i) => {
        let product = 0
        for (let d = 0; d < headSize; ++d) product += query[at + d]! * key[from + d]!
        shares[i] = product / Math.sqrt(headSize)
      })
      const most = shares.reduce((a, b) => Math.max(a, b))
      let total = 0
      for (let i = 0; i < shares.length; ++i) total += shares[i] = Math.exp(shares[i]! - most)
      visible.forEach((s, i) => {
        const value = values[s]!
        for (let d = 0; d < headSize; ++d) mixed[at + d]! += (shares[i]! / total) * value[from + d]!
      })
    }
    return mixed
  })
}

/** Turns each head's vector by a position: neighbours as pairs in llama, halves of the head in the others. */
export function rotate(row: Float64Array, position: number, model: RandomModel, rope: PlainRope): Float64Array {
  const size = model.headSize
  const result = new Float64Array(row.length)
  const near = model.architecture === 'llama'
  const factors = model.weights.get('rope_freqs.weight')
  const length = rope.yarn === undefined ? 1 : 0.1 * Math.log(1 / rope.scale) + 1
  for (let pair = 0; pair < size / 2; ++pair) {
    const angle = (position * rope.base ** ((-2 * pair) / size)) / (factors?.[pair] ?? 1)
    const keep = rope.yarn === undefined ? 0 : kept(pair, size, rope.base, rope.yarn)
    const turn = angle * rope.scale * (1 - keep) + angle * keep
    const [cos, sin] = [Math.cos(turn) * length, Math.sin(turn) * length]
    for (let head = 0; head < row.length; head += size) {
      const a = head + (near ? 2 * pair : pair)
      const b = near ? a + 1 : a + size / 2
      result[a] = row[a]! * cos - row[b]! * sin
      result[b] = row[a]! * sin + row[b]! * cos
    }
  }
  return result
}

/** How much of a pair's angle YaRN leaves unscaled: all of those that turn 32 times in the trained context, none of those that turn once. */
function kept(pair: number, size: number, base: number, context: number): number {
  const pairOf = (turns: number) => (size * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(base))
  const from = Math.max(0, Math.floor(pairOf(32)))
  const to = Math.min(size - 1, Math.ceil(pairOf(1)))
  return 1 - Math.min(1, Math.max(0, (pair - from) / Math.max(0.001, to - from)))
}

function multiply(matrix: Float32Array, x: Float64Array, bias?: Float32Array): Float64Array {
  const columns = x.length
  const result = new Float64Array(matrix.length / columns)
  for (let row = 0, at = 0; row < result.length; ++row) {
    let sum = bias === undefined ? 0 : bias[row]!
    for (let i = 0; i < columns; ++i, ++at) sum += matrix[at]! * x[i]!
    result[row] = sum
  }
  return result
}

function norm(x: Float64Array, weight: Float32Array): Float64Array {
  const root = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + epsilon)
  return x.map((value, i) => (value / root) * weight[i]!)
}

function normHeads(x: Float64Array, weight: Float32Array | undefined, size: number): Float64Array {
  if (!weight) return x
  const result = new Float64Array(x.length)
  for (let at = 0; at < x.length; at += size) result.set(norm(x.slice(at, at + size), weight), at)
  return result
}

const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
