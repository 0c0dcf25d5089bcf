/**
 * The benches by name, for `longread bench` and for scripts: `node out/test/bench/bench.js NAME …`. Each is loaded when it is
 * called, so that one does not pay for another.
 */
type Bench = (args: readonly string[]) => Promise<void>

const benches: Readonly<Record<string, () => Promise<{ main: Bench }>>> = {
  speed: () => import('./speed/run.js'),
  recall: () => import('./recall/run.js'),
  memory: () => import('./memory/run.js'),
  editor: () => import('./editor/run.js'),
  window: () => import('./window/run.js'),
  pictures: () => import('./pictures/run.js'),
  facts: () => import('./facts/run.js'),
  cuda: () => import('./cuda/run.js'),
  longcontext: () => import('./longcontext/run.js'),
  lookups: () => import('./lookups/run.js'),
}

export const benchNames: readonly string[] = Object.keys(benches)

export async function runBench(name: string, args: readonly string[]): Promise<void> {
  const load = benches[name]
  if (load === undefined) throw new Error(`No bench is called "${name}". There are ${benchNames.join(', ')}.`)
  await (await load()).main(args)
}

if (require.main === module) {
  const [name = '', ...args] = process.argv.slice(2)
  runBench(name, args).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
