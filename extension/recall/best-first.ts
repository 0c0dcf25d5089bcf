/**
 * Orders of units by score. All of them are sorted at every question, so it is done on packed numbers: of a score's order (32 bits) and
 * a unit's number (21 bits), which a double holds exactly and sorts without calling back.
 */
const numberBits = 2 ** 21

/** Units by falling score; of equal ones the one with the lower number first. Scores are numbers. */
export function bestFirst(scores: Float32Array): Uint32Array {
  const units = Uint32Array.from({ length: scores.length }, (_, unit) => unit)
  if (scores.length >= numberBits) return units.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b)
  // Adding nothing makes minus zero zero, which it equals.
  const bits = new Int32Array(scores.map((score) => score + 0).buffer)
  const packed = new Float64Array(scores.length)
  for (let unit = 0; unit < packed.length; unit++) {
    const own = bits[unit] ?? 0
    // Of negative numbers the larger bits are the smaller number.
    const falling = own < 0 ? own >>> 0 : 0x7fffffff - own
    packed[unit] = falling * numberBits + unit
  }
  packed.sort()
  for (let place = 0; place < packed.length; place++) units[place] = (packed[place] ?? 0) % numberBits
  return units
}
