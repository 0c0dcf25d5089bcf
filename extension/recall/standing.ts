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

/** For each unit what it loses on this question, in deviations of the attention score. */
export function penalties(units: readonly Pick<UnitReference, 'file' | 'kind'>[], question: string): Float32Array {
  const asked = standings.map(({ asked }) => asked.test(question))
  const ofFile = new Map<string, number>()
  return Float32Array.from(units, ({ file, kind }) => {
    let penalty = ofFile.get(file)
    if (penalty === undefined) {
      const standing = standings.findIndex(({ paths }) => paths.test(file))
      penalty = standing < 0 || asked[standing] ? 0 : (standings[standing]?.penalty ?? 0)
      ofFile.set(file, penalty)
    }
    return penalty + (definitions.has(kind) || penalty > 0 ? 0 : loosePenalty)
  })
}

/** Whether a file holds code itself, and so defines what others use. */
export const isCode = (file: string): boolean => !standings.some(({ paths }) => paths.test(file))
