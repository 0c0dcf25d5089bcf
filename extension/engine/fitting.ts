/** Whether a model fits this machine: the memory that it takes against what there is, so that nobody downloads what cannot run. */
import * as os from 'node:os'

/** Weights are transcoded to 8 bits when they are loaded: four bits become twice as many. */
const growth = 2
/** For the engine itself, the keys of a large repository and what is computed with (bytes). */
const beside = 600e6
/** The editor, language servers and the browser need the rest. */
const largestPart = 0.6

export interface Fit {
  readonly fits: boolean
  /** Bytes. */
  readonly needed: number
  readonly there: number
}

/** @param bytes of the model's file @param there bytes of memory of this machine, or of what this process may have of it */
export function fitOf(bytes: number, there: number = memoryHere()): Fit {
  const needed = growth * bytes + beside
  return { fits: needed <= largestPart * there, needed, there }
}

function memoryHere(): number {
  const most = process.constrainedMemory()
  return most > 0 ? Math.min(most, os.totalmem()) : os.totalmem()
}
