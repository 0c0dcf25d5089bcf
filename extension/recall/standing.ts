/**
 * What a unit stands for before any question is asked: code itself, a test of it, a text about it, or configuration. Tests and
 * documentation use all the words of the code they are about, so they crowd it out; a question is most often about the code. They
 * lose some deviations of score, unless the question asks for them.
 *
 * Measured, unit / file MRR of all signals on the development repositories: .431 / .666 without, .493 / .746 with the numbers below,
 * .510 / .765 with those that fit documented functions best (4, 4, 4, 3) and would all but hide tests, prose and constants.
 *
 * `testing/` and `mock/` are code that helps others to test, not tests: words alone, .375 / .633 with them behind code and .380 / .654
 * without on trio, .399 / .772 and .405 / .793 on testify (there with `mock/`); nothing changed on eight other repositories.
 */
import type { UnitReference } from '../protocol/types'

interface Standing {
  readonly paths: RegExp
  /** Words of a question that ask for such units. */
  readonly asked: RegExp
  /** In deviations of the attention score. */
  readonly penalty: number
}

/** The first that fits a path counts. */
const standings: readonly Standing[] = [
  {
    paths:
      /(^|\/)([\w.-]*\.)?(tests?|specs?|__tests__|test-?data|bench(es|marks?)?|fixtures?|mocks)\/|_test\.\w+$|\.(test|spec|bench)\.\w+$|Tests?\.(java|cs|kt|swift)$|(^|\/)(test_[^/]*|conftest)\.py$|_spec\.rb$/i,
    asked: /\b(un)?test(s|ed|ing|able)?\b|\bspecs?\b|\bbench(mark(s|ed|ing)?)?\b|\bfixtures?\b|\bmock(s|ed|ing)?\b/i,
    penalty: 3,
  },
  {
    paths: /\.(md|mdx|markdown|rst|txt|adoc|html?)$|(^|\/)(docs?|documentation|examples?|samples?|demos?)\//i,
    asked:
      /\b(readme|docs?|document(s|ed|ation)|guides?|tutorials?|examples?|samples?|demos?|change ?logs?|releases?|licen[cs]ed?|install(s|ed|ing|ation)?)\b/i,
    penalty: 2,
  },
  {
    paths: /\.(json|jsonc|ya?ml|toml|cfg|ini|xml|lock|properties|csproj|gradle)$/i,
    asked: /\b(config\w*|settings?|json|ya?ml|toml|xml|versions?|dependenc(y|ies)|packages?|manifest|build)\b/i,
    penalty: 1,
  },
]

/** A stretch between definitions says less than a definition. */
const loosePenalty = 0.5
const definitions: ReadonlySet<string> = new Set(['function', 'method', 'class'])

/** For each unit which of the standings its file has, and whether it is a stretch between definitions: what a question does not change. */
export interface UnitStandings {
  /** By unit: 1 + the number of the standing; 0: code. */
  readonly standing: Uint8Array
  /** By unit: 1 where it is between definitions. */
  readonly loose: Uint8Array
}

export function standingsOf(units: readonly Pick<UnitReference, 'file' | 'kind'>[]): UnitStandings {
  const [standing, loose] = [new Uint8Array(units.length), new Uint8Array(units.length)]
  let [last, own] = ['', 0]
  units.forEach(({ file, kind }, u) => {
    if (file !== last) [last, own] = [file, 1 + standings.findIndex(({ paths }) => paths.test(file))]
    standing[u] = own
    loose[u] = definitions.has(kind) ? 0 : 1
  })
  return { standing, loose }
}

/** For each unit what it loses on this question, in deviations of the attention score. */
export function penalties({ standing, loose }: UnitStandings, question: string): Float32Array {
  const lost = [0, ...standings.map(({ asked, penalty }) => (asked.test(question) ? 0 : penalty))]
  const result = new Float32Array(standing.length)
  for (let u = 0; u < result.length; u++) {
    const penalty = lost[standing[u] ?? 0] ?? 0
    result[u] = penalty > 0 || loose[u] === 0 ? penalty : loosePenalty
  }
  return result
}

/** Whether a file holds code itself, and so defines what others use. */
export const isCode = (file: string): boolean => !standings.some(({ paths }) => paths.test(file))
