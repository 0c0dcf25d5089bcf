/** The local models in VS Code's own model picker: each that is on this machine and that Longread can run. */
import * as vscode from 'vscode'
import { answerSettings, engineOptions, modelInUse, onEngineSettings } from '../config'
import { agents } from '../contributions'
import { listModels } from '../engine/catalogue'
import type { ChatMessage } from '../protocol/types'
import type { Sessions } from './sessions'

/** Tokens of an answer in VS Code's chat. */
const mostTokens = 512
/** Characters of one token of English or code, rather too few than too many: what is promised as room must fit. */
const charactersOfToken = 3

export function registerModelProvider(sessions: Sessions): vscode.Disposable {
  const changed = new vscode.EventEmitter<void>()
  const provider: vscode.LanguageModelChatProvider = {
    onDidChangeLanguageModelChatInformation: changed.event,
    async provideLanguageModelChatInformation() {
      const models = await listModels(modelInUse())
      return (
        models
          .filter(({ onDisk, problem }) => onDisk && problem === undefined)
          // VS Code takes the first as long as nobody has chosen.
          .sort((a, b) => Number(b.inUse) - Number(a.inUse))
          .map(({ path, name, title }) => ({
            id: path,
            name: title,
            family: name,
            version: '1',
            tooltip: vscode.l10n.t('Runs on this machine, by Longread'),
            maxInputTokens: 8192 - mostTokens,
            maxOutputTokens: mostTokens,
            // VS Code's picker leaves out, in its usual mode, what does not say so, and @repo is then asked without any model. The
            // models answer in words: tools that come with a request are not told to them.
            capabilities: { toolCalling: true },
          }))
      )
    },
    async provideLanguageModelChatResponse(model, messages, _options, progress, token) {
      const abort = new AbortController()
      const cancelling = token.onCancellationRequested(() => abort.abort())
      try {
        const { sampling } = answerSettings()
        const request = {
          ...engineOptions(model.id),
          messages: messages.map(asMessage),
          sampling: { ...sampling, maxTokens: mostTokens },
        }
        await sessions.chat(request, {
          signal: abort.signal,
          onText: (text) => progress.report(new vscode.LanguageModelTextPart(text)),
        })
      } finally {
        cancelling.dispose()
      }
    },
    provideTokenCount(_model, text) {
      const whole = typeof text === 'string' ? text : asMessage(text).content
      return Promise.resolve(Math.ceil(whole.length / charactersOfToken))
    },
  }
  const registration = vscode.lm.registerLanguageModelChatProvider(agents.vendor, provider)
  // The chat view's picker knows only models that somebody has asked for.
  setImmediate(() => void vscode.lm.selectChatModels({ vendor: agents.vendor }))
  return vscode.Disposable.from(
    registration,
    changed,
    onEngineSettings(() => changed.fire()),
  )
}

/** Text parts of a message; a small model knows neither tools nor pictures. */
function asMessage({ role, content }: vscode.LanguageModelChatRequestMessage): ChatMessage {
  const text = content.flatMap((part) => (part instanceof vscode.LanguageModelTextPart ? [part.value] : [])).join('')
  return { role: role === vscode.LanguageModelChatMessageRole.Assistant ? 'assistant' : 'user', content: text }
}
