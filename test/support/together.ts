/** A model that says it reads many files best in one call, as one on a GPU does, and notes how many each call had. */
import type { LoadedModel } from '../../extension/recall/loaded'
import { loadRandomModel } from './tiny-model'

export interface Together {
  readonly loaded: LoadedModel
  /** Episodes of each call of readMany. */
  readonly calls: number[]
  /** Runs when a call was begun. */
  onCall: () => void
}

export async function modelReadingTogether(together: number): Promise<Together> {
  const loaded = await loadRandomModel()
  const made: Together = { loaded, calls: [], onCall: () => undefined }
  const { model } = loaded
  const info = model.info()
  const readMany = model.readMany.bind(model)
  Object.defineProperties(model, {
    info: { value: () => ({ ...info, together }) },
    readMany: {
      value: (...call: Parameters<typeof readMany>) => {
        made.calls.push(call[0].length)
        const reading = readMany(...call)
        made.onCall()
        return reading
      },
    },
  })
  return made
}
