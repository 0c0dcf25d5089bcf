/** A summary's links lead from the repository's root; saved elsewhere, they must lead from there. */
import * as path from 'node:path'
import { linkTo } from './types'

/** Links to lines of files (types.ts, `cite`). */
const cited = /\]\(([^)\s]+?)(#L\d+)\)/g

/**
 * @param root the folder that the links lead from
 * @param target the folder that they are to lead from; both absolute
 */
export function relinked(markdown: string, root: string, target: string): string {
  if (path.relative(root, target) === '') return markdown
  return markdown.replace(cited, (whole, link: string, line: string) => {
    if (/^\w+:|^[/#]/.test(link)) return whole
    const file = path.resolve(root, decodeURIComponent(link))
    const from = path.relative(target, file).split(path.sep).join('/')
    return `](${linkTo(from)}${line})`
  })
}
