/**
 * The formats in which ggml stores tensors, by their number in GGUF files (ggml.h, `ggml_type`, and ggml.c, `type_traits`):
 * values a block, bytes a block, and whether a matrix of weights may have the format.
 */
export interface TensorType {
  readonly name: string
  readonly block: number
  readonly bytes: number
  readonly weights: boolean
}

const weights = (name: string, block: number, bytes: number): TensorType => ({ name, block, bytes, weights: true })
const other = (name: string, block: number, bytes: number): TensorType => ({ name, block, bytes, weights: false })

export const tensorTypes: ReadonlyMap<number, TensorType> = new Map([
  [0, weights('F32', 1, 4)],
  [1, weights('F16', 1, 2)],
  [2, weights('Q4_0', 32, 18)],
  [3, weights('Q4_1', 32, 20)],
  [6, weights('Q5_0', 32, 22)],
  [7, weights('Q5_1', 32, 24)],
  [8, weights('Q8_0', 32, 34)],
  [9, other('Q8_1', 32, 36)],
  [10, weights('Q2_K', 256, 84)],
  [11, weights('Q3_K', 256, 110)],
  [12, weights('Q4_K', 256, 144)],
  [13, weights('Q5_K', 256, 176)],
  [14, weights('Q6_K', 256, 210)],
  [15, other('Q8_K', 256, 292)],
  [16, weights('IQ2_XXS', 256, 66)],
  [17, weights('IQ2_XS', 256, 74)],
  [18, weights('IQ3_XXS', 256, 98)],
  [19, weights('IQ1_S', 256, 50)],
  [20, weights('IQ4_NL', 32, 18)],
  [21, weights('IQ3_S', 256, 110)],
  [22, weights('IQ2_S', 256, 82)],
  [23, weights('IQ4_XS', 256, 136)],
  [24, other('I8', 1, 1)],
  [25, other('I16', 1, 2)],
  [26, other('I32', 1, 4)],
  [27, other('I64', 1, 8)],
  [28, other('F64', 1, 8)],
  [29, weights('IQ1_M', 256, 56)],
  [30, weights('BF16', 1, 2)],
  [34, weights('TQ1_0', 256, 54)],
  [35, weights('TQ2_0', 256, 66)],
  [39, weights('MXFP4', 32, 17)],
  [40, weights('NVFP4', 64, 36)],
  [41, weights('Q1_0', 128, 18)],
])
