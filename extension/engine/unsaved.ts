/**
 * What is typed and not saved, as the engine was last told: only what is different since is told again. It is told with questions
 * alone, since reading every pause in typing would take the machine from who types.
 */
import type { Change } from '../protocol/types'

export class Unsaved {
  private told: ReadonlyMap<string, string> = new Map()

  /** `texts` gives what is open and not saved now, by file. */
  constructor(private readonly texts: () => ReadonlyMap<string, string> = () => new Map()) {}

  /** What has to be told now; counts as told. */
  changes(): Change[] {
    const [before, now] = [this.told, this.texts()]
    this.told = new Map(now)
    const typed = [...now].filter(([file, text]) => before.get(file) !== text).map(([file, text]) => ({ file, text }))
    const given = [...before.keys()].filter((file) => !now.has(file)).map((file) => ({ file, text: null }))
    return [...given, ...typed]
  }

  /** The engine has forgotten all. */
  forget(): void {
    this.told = new Map()
  }
}
