/** libllama's own computation (native/tests/oracle.cpp), for tests and benches to compare with. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { packageRoot, type GenerateOptions } from '../../extension/engine/addon'

export interface Oracle {
  /** llama_decode of a prompt: logits of the wanted rows, [row][vocabulary], and its seconds without loading. */
  decode(request: {
    /** As libllama does by default: weights of some formats are rearranged, and multiplied by kernels that round differently. */
    repack: boolean
    path: string
    libraries: string
    threads: number
    context: number
    batch: number
    tokens: Int32Array
    rows: Int32Array
    /** All layers on the GPU that `findCuda` found; the prompt is read once before it is timed. */
    gpu?: boolean
    /** How many tokens to go on for, each the likeliest; `rows` must hold the prompt's last. */
    generate?: number
  }): Promise<{
    readonly logits: Float32Array
    readonly seconds: number
    readonly generated: Int32Array
    /** From the first generated token to the last. */
    readonly generateSeconds: number
  }>
  /** Our own generation with layers beside the processor (native/tests/oracle-beside.cpp). */
  generateBeside(
    request: GenerateOptions & {
      readonly path: string
      readonly libraries: string
      readonly threads: number
      /** One more than the model has: the output, too. */
      readonly layers: number
    },
  ): Promise<{
    readonly tokens: Int32Array
    readonly attention: Float32Array
    /** Steps of warming up that were computed at the same time (native/engine/warm-up.h). */
    readonly warm: number
  }>
  /**
   * Seconds that the products of a model's first layers take by themselves for so many rows of random numbers (native/cuda/floor.cu), by
   * our own kernels' library on the GPU that `findCuda` found; `eight`: of 8-bit numbers.
   */
  floor(request: {
    readonly path: string
    readonly libraries: string
    readonly kernels: string
    readonly cublas: string
    readonly layers: number
    readonly rows: number
    /** How often each product is computed. */
    readonly times: number
    readonly eight: boolean
  }): Promise<number>
  /** Layers that are put on a GPU with so many free bytes, read `batch` tokens at a time (native/engine/layer-split.h). */
  layersThatFit(request: {
    readonly path: string
    readonly weights: 'fast' | 'file'
    readonly free: number
    readonly batch: number
  }): number
}

export const loadOracle = (): Oracle =>
  createRequire(__filename)(join(packageRoot(), 'native/build/Release/longread-oracle.node')) as Oracle
