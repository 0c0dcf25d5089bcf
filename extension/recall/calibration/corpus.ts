/**
 * What a calibration reads of one repository: whole files, chosen by seed under a budget of tokens so that functions that ask are
 * among them, and as much code beside them that asks nothing; all without documentation, and the questions it asked.
 */
import * as path from 'node:path'
import { cancelled } from '../../errors'
import { discover, readSource } from '../../workspace/discovery'
import { isGrammarLanguage, language } from '../../workspace/languages'
import { languageOf } from './languages'
import { sample, shuffled, stripAndAsk, unambiguous, type LabelledQuestion } from './questions'

export interface Corpus {
  readonly name: string
  readonly root: string
  readonly files: readonly { readonly file: string; readonly text: string; readonly tokens: number }[]
  readonly tokens: number
  readonly questions: readonly LabelledQuestion[]
  /** Every question of the files that were looked at: none of them may be a reference question here. */
  readonly own: readonly string[]
}

export interface CorpusOptions {
  readonly seed: number
  /** Of all files together, as the model counts them. */
  readonly tokens: number
  /** At most so many. */
  readonly questions: number
  readonly tokensOf: (text: string) => number
  readonly signal: AbortSignal
  readonly log: (message: string) => void
}

/** In a huge workspace whose code is not documented the search for questions ends here. */
const mostLookedAt = 4000
/** So much of the budget need not be filled with ever smaller files. */
const enough = 0.95

/** Rejects with `no-folder` and `cancelled`. */
export async function chooseCorpus(root: string, options: CorpusOptions): Promise<Corpus> {
  const found = await discover(root, { signal: options.signal })
  const files: { file: string; text: string; tokens: number }[] = []
  const asked: LabelledQuestion[] = []
  let total = 0
  let silent = 0
  for (const { file, wanted } of shuffled(found.files, options.seed).slice(0, mostLookedAt)) {
    if (options.signal.aborted) throw cancelled()
    if (total >= options.tokens * enough) break
    // Licences and lock files are told from code by anything.
    if (!isGrammarLanguage(language(file))) continue
    // Code that asks nothing takes no more than half: a small budget is for questions.
    const enoughSilent = silent > total / 2
    if (enoughSilent && languageOf(file) === undefined) continue
    const source = await readSource(root, file, { wanted })
    if ('skipped' in source) continue
    const { text, questions } = await stripAndAsk(file, source.text, options.log)
    if (enoughSilent && questions.length === 0) continue
    const tokens = options.tokensOf(text)
    if (total + tokens > options.tokens || (questions.length === 0 && tokens > options.tokens / 8)) continue
    files.push({ file, text, tokens })
    asked.push(...questions)
    total += tokens
    if (questions.length === 0) silent += tokens
  }
  files.sort((a, b) => (a.file < b.file ? -1 : 1))
  asked.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.startLine - b.startLine))
  return {
    name: path.basename(path.resolve(root)),
    root,
    files,
    tokens: total,
    questions: sample(unambiguous(asked), options.questions, options.seed),
    own: asked.map(({ question }) => question),
  }
}
