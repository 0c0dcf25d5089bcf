/** A thread that cuts files into units and counts their words (cutting.ts): a syntax tree and all that is made of it stay there. */
import { parentPort } from 'node:worker_threads'
import { cutUnits } from '../workspace/units'
import { unitTexts } from './episode'
import { countWords } from './file-words'
import type { CutAnswer, CutRequest } from './cutting'

const port = parentPort
if (port === null) throw new Error('It runs as a thread only.')

const cut = async ({ number, file, text }: CutRequest): Promise<CutAnswer> => {
  const warnings: string[] = []
  const units = await cutUnits(file, text, { warn: (message) => void warnings.push(message) })
  return { number, units, words: countWords(unitTexts(text, units)), warnings }
}

// One that fails is cut where it was asked for.
port.on('message', (request: CutRequest) => {
  void cut(request).then(
    (answer) => port.postMessage(answer),
    () => port.postMessage({ number: request.number }),
  )
})
