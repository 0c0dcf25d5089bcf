/**
 * What the engine's graph needs of a model, by architecture: which tensors a layer has and of which shape. A file that fits is
 * loaded without surprises; an architecture that is not here, or not yet read, is refused by its name.
 */
export interface Sizes {
  readonly embedding: number
  readonly feedForward: number
  readonly heads: number
  readonly keyHeads: number
  readonly headSize: number
  readonly vocab: number
}

interface Architecture {
  /** Biases of queries, keys and values. */
  readonly biases: 'required' | 'optional'
  /** Biases of attention's output and of the feed-forward part, and factors of angles (Llama 3.1), in some conversions. */
  readonly otherBiases: boolean
  readonly outputBias: boolean
  /** Norms of each head's query and key. */
  readonly headNorms: boolean
  /** Norms after attention and after the feed-forward part. */
  readonly postNorms: boolean
}

const plain: Architecture = {
  biases: 'optional',
  otherBiases: false,
  outputBias: false,
  headNorms: false,
  postNorms: false,
}

const architectures: Readonly<Record<string, Architecture>> = {
  llama: { ...plain, otherBiases: true },
  qwen2: { ...plain, biases: 'required', outputBias: true },
  qwen3: { ...plain, headNorms: true },
  gemma3: { ...plain, headNorms: true, postNorms: true },
}

/** The architectures that the engine reads. */
export const knownArchitectures: readonly string[] = Object.keys(architectures)

export interface WantedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly required: boolean
}

/** Tensors beside the layers. Without `output.weight` the embedding serves as output too. */
export function modelTensors(architecture: string, sizes: Sizes): WantedTensor[] {
  const { otherBiases, outputBias } = architectures[architecture] ?? plain
  return [
    { name: 'token_embd.weight', shape: [sizes.embedding, sizes.vocab], required: true },
    { name: 'output_norm.weight', shape: [sizes.embedding], required: true },
    { name: 'output.weight', shape: [sizes.embedding, sizes.vocab], required: false },
    ...(outputBias ? [{ name: 'output.bias', shape: [sizes.vocab], required: false }] : []),
    ...(otherBiases ? [{ name: 'rope_freqs.weight', shape: [sizes.headSize / 2], required: false }] : []),
  ]
}

export function layerTensors(architecture: string, sizes: Sizes, layer: number): WantedTensor[] {
  const { biases, otherBiases, headNorms, postNorms } = architectures[architecture] ?? plain
  const { embedding, feedForward, headSize } = sizes
  const queries = sizes.heads * headSize
  const keys = sizes.keyHeads * headSize
  const want = (name: string, shape: readonly number[], required = true): WantedTensor => ({
    name: `blk.${layer}.${name}`,
    shape,
    required,
  })
  const hasBiases = biases === 'required'
  return [
    want('attn_norm.weight', [embedding]),
    want('attn_q.weight', [embedding, queries]),
    want('attn_k.weight', [embedding, keys]),
    want('attn_v.weight', [embedding, keys]),
    want('attn_output.weight', [queries, embedding]),
    want('attn_q.bias', [queries], hasBiases),
    want('attn_k.bias', [keys], hasBiases),
    want('attn_v.bias', [keys], hasBiases),
    ...(otherBiases
      ? [
          want('attn_output.bias', [embedding], false),
          want('ffn_gate.bias', [feedForward], false),
          want('ffn_up.bias', [feedForward], false),
          want('ffn_down.bias', [embedding], false),
        ]
      : []),
    ...(headNorms ? [want('attn_q_norm.weight', [headSize]), want('attn_k_norm.weight', [headSize])] : []),
    want('ffn_norm.weight', [embedding]),
    want('ffn_gate.weight', [embedding, feedForward]),
    want('ffn_up.weight', [embedding, feedForward]),
    want('ffn_down.weight', [feedForward, embedding]),
    ...(postNorms ? [want('post_attention_norm.weight', [embedding]), want('post_ffw_norm.weight', [embedding])] : []),
  ]
}
