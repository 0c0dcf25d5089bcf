/**
 * Which content words a question shares with a text, after identifiers are split and words stemmed. Questions of the second
 * set share none with their answers, so that nothing finds them by words alone.
 */
import { stemmer } from 'stemmer'
import { wordsOf } from './bm25'

/** Words that carry no content: of grammar, and of asking about code in general. */
const empty = new Set(
  (
    'a about after again against all also always an and any anything anyone are as at away back be because been before being ' +
    'between both but by can cannot could did do does doing don done down during each either else end enough even ever every ' +
    'everything everyone few first for from further get gets given gives go goes had has have having here how if in instead ' +
    'into is isn it its itself just keep kept know last later least let like long made make makes many may me might more most ' +
    'much must my need needs never new no nobody none not nothing now of off on once one ones only or other others otherwise ' +
    'our out over own part place rather same should since so some somebody someone something still such take takes tell than ' +
    'that the their them then there these they thing things this those through to together too two under until up us use used ' +
    'using very was way we were what whatever when where whether which whichever while who whole whom whose why will with ' +
    'within without would yet you your s t'
  ).split(' '),
)

export function contentStems(text: string): Set<string> {
  const stems = new Set<string>()
  for (const word of wordsOf(text)) if (!empty.has(word) && word.length > 1) stems.add(stemmer(word))
  return stems
}

/** The content words of the question, as they stand in it, whose stems the text has too. */
export function sharedWords(question: string, text: string): string[] {
  const stems = contentStems(text)
  return [...new Set(wordsOf(question))].filter(
    (word) => !empty.has(word) && word.length > 1 && stems.has(stemmer(word)),
  )
}
