/**
 * What is found in texts of any length: a pass key, a sequence of digits, the value of a key, in ∞-Bench's forms from a seed, and in the
 * code of real repositories a constant or a function (code-tasks.ts); by full attention within what the model was trained for, by a
 * window without lookup (StreamingLLM), and by InfLLM, by itself or with the units that the product's recall finds.
 *
 *   longread bench longcontext [--model NAME|FILE] [--tasks passkey,number,kv,lines,keys,needle,name,function,body] [--ways NAME,…]
 *     [--lengths 4K,8K,16K,…] [--depths 0,25,50,75,100] [--cases N] [--seed N] [--repository NAME|SPLIT|DIR,…] [--chat] [--threads N]
 *     [--device cpu|cuda|auto] [--set nLocal=2048,topk=8,…] [--out FILE] [--json]
 *   longread bench longcontext --figures FILE,… [--svg FILE]
 *
 * --device: cuda reads by our own kernels (ways that they do not read are an error); then ways are full,paper where none are named.
 * --cases: at each length and depth. --chat: in the model's chat template (SmolLM2-135M finds pass keys worse in it); not of code.
 * --repository: what is read of tasks in code, one after the other; default: the test split of the corpus. --set: InfLLM's parameters
 * other than what suits the model, for all ways; `--set paper`: the paper's. --out: a line for each case is added to FILE, and those that it has are left out. --figures:
 * files joined to a table and a picture.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { librariesFolder, loadAddon } from '../../../extension/engine/addon'
import { chooseDevice, ownKernels } from '../../../extension/engine/cuda'
import { resolveModel } from '../../../extension/engine/catalogue'
import { settingsOf, unlikePaper, usualParameters } from '../../../extension/infllm/parameters'
import { machine } from '../recall/figures'
import { FigureFile, parseFigures, table, type Figure } from './figures'
import { heatMap } from './heat-map'
import { CaseMaker } from './cases'
import { judge, taskNames, type TaskName } from './tasks'
import { LastRead, say, ways, type Way } from './ways'

const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** `16K` or a number of tokens. */
function tokensOf(text: string): number {
  const match = /^(\d+)(K?)$/i.exec(text.trim())
  if (!match) throw new Error(`--lengths takes numbers of tokens such as 16K, not "${text}".`)
  return Number(match[1]) * (match[2] === '' ? 1 : 1024)
}

function named<T>(what: string, text: string, known: readonly T[], nameOf: (one: T) => string): T[] {
  return text.split(',').map((name) => {
    const found = known.find((one) => nameOf(one) === name.trim())
    if (!found) throw new Error(`--${what} takes ${known.map(nameOf).join(', ')}, not "${name}".`)
    return found
  })
}

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string' },
      tasks: { type: 'string', default: 'passkey' },
      ways: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      lengths: { type: 'string', default: '4K,8K,16K' },
      depths: { type: 'string', default: '0,25,50,75,100' },
      cases: { type: 'string', default: '1' },
      repository: { type: 'string', default: 'test' },
      seed: { type: 'string', default: '1' },
      chat: { type: 'boolean', default: false },
      threads: { type: 'string', default: '0' },
      set: { type: 'string', default: '' },
      out: { type: 'string' },
      json: { type: 'boolean', default: false },
      figures: { type: 'string' },
      svg: { type: 'string' },
    },
  })
  if (values.figures !== undefined) {
    const texts = await Promise.all(values.figures.split(',').map((file) => readFile(file, 'utf8')))
    await show(parseFigures(texts.join('\n')), values.svg)
    return
  }
  const tasks = named<TaskName>('tasks', values.tasks, taskNames, (name) => name)
  const [wanted] = named('device', values.device, ['cpu', 'cuda', 'auto'] as const, (name) => name)
  const lengths = values.lengths.split(',').map(tokensOf)
  const depths = values.depths.split(',').map((text) => {
    const depth = Number(text) / 100
    if (!(depth >= 0 && depth <= 1)) throw new Error(`--depths are from 0 to 100, not "${text}".`)
    return depth
  })
  const settings = settingsOf(values.set, '--set')
  const { path } = await resolveModel(values.model)
  const addon = loadAddon()
  const libraries = librariesFolder()
  const { kind, name: gpu } = await chooseDevice(addon, wanted ?? 'cpu', (_, message) => process.stderr.write(`${message}\n`)) // prettier-ignore
  const there = kind === 'cuda' ? { device: kind, ...ownKernels(libraries) } : {}
  const load = { path, weights: 'fast', threads: Number(values.threads), libraries, ...there } as const
  const model = await addon.loadModel(load, new addon.Cancel(), () => undefined)
  const parameters = unlikePaper({ ...usualParameters(model.info()), ...settings })
  const usual = kind === 'cuda' ? 'full,paper' : 'full,streaming,paper'
  const chosen = named<Way>('ways', values.ways ?? usual, ways, ({ name }) => name)
  const modelName = model.info().name || path
  const file = values.out === undefined ? undefined : await FigureFile.open(values.out)
  if (!values.json) print(`$ ${['longread bench longcontext', ...args].join(' ')}`)
  const figures: Figure[] = []
  const maker = new CaseMaker(model, values.repository)
  const last = new LastRead()
  for (const task of tasks)
    for (const length of lengths)
      for (const depth of depths)
        for (let i = 0; i < Number(values.cases); i++) {
          const seed = Number(values.seed) * 10_007 + i
          const asked = await maker.make({ task, length, depth, seed, chat: values.chat })
          for (const way of chosen) {
            const named = {
              way: way.name,
              task,
              chat: values.chat,
              length,
              depth,
              seed,
              model: modelName,
              parameters,
              ...maker.readBy(task),
            }
            if (file?.has(named) === true) continue
            let told = Date.now()
            const progress = (read: number) => {
              if (Date.now() - told < 10_000) return
              told = Date.now()
              process.stderr.write(`  ${read} of ${asked.stream.length} tokens\n`)
            }
            const said = await say(way, asked, { addon, model, parameters, progress }, last)
            if (!said) continue
            const { text, ...rest } = said
            const verdict = judge(asked, text)
            const figure: Figure = {
              ...named,
              tokens: asked.length,
              ...verdict,
              answer: asked.answer,
              said: text,
              ...rest,
              machine: kind === 'cuda' ? `${gpu}; ${machine()}` : machine(),
            }
            figures.push(figure)
            await file?.add(figure)
            if (values.json) print(JSON.stringify(figure))
            else
              process.stderr.write(
                `${task} ${length} at ${depth}, ${way.name}: ${verdict.right ? 'right' : `"${text.replace(/\s+/g, ' ')}" for ${asked.answer}`}${said.layers === undefined ? '' : `, found in ${String(said.layersThatFound)} of ${said.layers} layers`}, read ${(asked.length / said.readSeconds).toFixed(0)} tokens/s, answered in ${said.answerSeconds.toFixed(1)} s\n`,
              )
          }
        }
  last.close()
  model.dispose()
  if (!values.json) await show(figures, values.svg)
}

async function show(figures: readonly Figure[], svg: string | undefined): Promise<void> {
  if (figures.length === 0) {
    print('Nothing new was measured.')
    return
  }
  print(table(figures))
  if (svg !== undefined) await writeFile(svg, heatMap(figures))
}
