/** Cases of every task; repositories are opened once. */
import type { NativeModel } from '../../../extension/engine/addon'
import { isCodeTask, isStripped, makeCodeCase } from './code-tasks'
import { Haystack } from './haystack'
import { makeCase, type Case, type CaseOptions, type TaskName } from './tasks'

export class CaseMaker {
  private readonly haystacks = new Map<boolean, Promise<Haystack>>()

  /** @param repositories names or splits of the corpus, or folders, with commas between */
  constructor(
    private readonly model: NativeModel,
    private readonly repositories: string,
  ) {}

  async make(options: CaseOptions): Promise<Case> {
    const { task } = options
    if (!isCodeTask(task)) return makeCase(this.model, { ...options, task })
    const stripped = isStripped(task)
    const what = this.repositories.split(',').map((one) => one.trim())
    const haystack = this.haystacks.get(stripped) ?? Haystack.open(this.model, what, stripped)
    this.haystacks.set(stripped, haystack)
    return makeCodeCase(this.model, await haystack, { ...options, task })
  }

  /** What a figure says of it. */
  readBy(task: TaskName): { repositories?: string } {
    return isCodeTask(task) ? { repositories: this.repositories } : {}
  }
}
