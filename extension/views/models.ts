/** Choosing a model and bringing the default one: the only download there is, and only when a person starts it. */
import * as vscode from 'vscode'
import { modelInUse, setModel } from '../config'
import { catalogue, defaultModel, listModels, type ListedModel } from '../engine/catalogue'
import { pullModel } from '../engine/download'
import { fitOf } from '../engine/fitting'
import { LongreadError } from '../errors'
import { inNotification } from './notification'
import type { Sessions } from './sessions'

const megabytes = (bytes: number) => vscode.l10n.t('{0} MB', Math.round(bytes / 1e6).toLocaleString())

export async function downloadModel(sessions: Sessions, name: string = defaultModel.name): Promise<void> {
  const model = catalogue.find((m) => m.name === name)
  if (!model) throw new LongreadError('usage', vscode.l10n.t('There is no model "{0}" to download.', name))
  await inNotification(vscode.l10n.t('Downloading {0}', model.title), async (progress, signal) => {
    let told = 0
    await pullModel(model, {
      signal,
      onProgress: ({ done, total }) => {
        const percent = total > 0 ? (100 * done) / total : 0
        progress.report({
          increment: percent - told,
          message: vscode.l10n.t('{0} of {1}', megabytes(done), megabytes(total)),
        })
        told = percent
      },
    })
  })
  sessions.restart()
  sessions.current?.session.read()
}

interface ModelItem extends vscode.QuickPickItem {
  /** Undefined: a file of one's own, still to be chosen. */
  readonly name?: string
  readonly onDisk?: boolean
  readonly problem?: string | undefined
}

/** Where it is, and whether this machine has the memory that it takes. */
function detailOf({ problem, onDisk, bytes }: ListedModel): string {
  const { t } = vscode.l10n
  if (problem !== undefined) return `$(error) ${problem}`
  const { fits, needed, there } = fitOf(bytes)
  const where = onDisk ? t('On this machine') : t('Can be downloaded')
  const sizes = [gigabytes(needed), gigabytes(there)] as const
  return fits
    ? t('$(pass) {0}. Fits: takes about {1} of {2} GB of memory.', where, ...sizes)
    : t('$(warning) {0}. Does not fit: takes about {1} of {2} GB of memory.', where, ...sizes)
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1)

export async function chooseModel(sessions: Sessions): Promise<void> {
  const models = await listModels(modelInUse())
  const browse: ModelItem = { label: vscode.l10n.t('$(folder-opened) A GGUF File…') }
  const items = models.map(
    (model): ModelItem => ({
      label: `${model.inUse ? '$(check) ' : ''}${model.title}`,
      description: megabytes(model.bytes),
      detail: detailOf(model),
      name: model.known || model.inUse ? model.name : model.path,
      onDisk: model.onDisk,
      problem: model.problem,
    }),
  )
  const picked = await vscode.window.showQuickPick([...items, browse], {
    title: vscode.l10n.t('The Model That Longread Reads With'),
    matchOnDescription: true,
  })
  if (!picked) return
  if (picked.name === undefined) {
    const [file] = (await vscode.window.showOpenDialog({ filters: { GGUF: ['gguf'] } })) ?? []
    if (file) await setModel(file.fsPath)
    return
  }
  if (picked.problem !== undefined) throw new LongreadError('bad-model', `${picked.label}: ${picked.problem}`)
  if (!picked.onDisk) await downloadModel(sessions, picked.name)
  await setModel(picked.name)
}
