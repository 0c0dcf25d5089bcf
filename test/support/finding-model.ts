/**
 * A tiny llama model with random weights that can find one thing: in its first layer, head 0 asks for the very token that it is,
 * since its queries and keys are made alike. The other heads look at random. Positions turn few of its dimensions.
 */
import { randomFrom } from '../../extension/recall/calibration/questions'
import { f32, str, tinyModel, u32, writeGguf } from './gguf-writer'

const alignment = 32

export function findingModel(): Buffer {
  const random = randomFrom(1)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const model = tinyModel()
  model.metadata['llama.rope.freq_base'] = f32(1e12)
  model.metadata['llama.context_length'] = u32(4096)
  // Enough for libllama to know the template.
  model.metadata['tokenizer.chat_template'] = str('<|im_start|>')
  // All as F32, so that the weights can be written here.
  for (const tensor of model.tensors) tensor.type = 0
  const bytes = writeGguf({ ...model, alignment })
  const sizes = model.tensors.map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1))
  const padded = (size: number) => Math.ceil(size / alignment) * alignment
  let at = bytes.length - sizes.reduce((sum, size) => sum + padded(size), 0)
  const places = new Map<string, number>()
  model.tensors.forEach(({ name, shape }, i) => {
    const scale = name === 'token_embd.weight' ? 1 : 0.3
    for (let value = 0; value < sizes[i]! / 4; value++)
      bytes.writeFloatLE(shape.length === 1 ? 1 : scale * normal(), at + 4 * value)
    places.set(name, at)
    at += padded(sizes[i]!)
  })
  const key = places.get('blk.0.attn_k.weight')!
  const keyBytes = sizes[model.tensors.findIndex(({ name }) => name === 'blk.0.attn_k.weight')]!
  // Rows are outputs: the first of the queries' belong to head 0.
  bytes.copyWithin(places.get('blk.0.attn_q.weight')!, key, key + keyBytes)
  return bytes
}
