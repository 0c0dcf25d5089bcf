/**
 * Where code may be cut between two rows, and what a cut costs there: little between statements of an outer block, more in an
 * inner one, most right behind an opening bracket or before a closing one. Only what must be cut is looked into.
 */
import type { Node, Tree } from 'web-tree-sitter'
import { endRow } from './definitions'
import type { Lines } from './lines'
import { wholeLimit } from './pack'

/** A cut costs this more for each level of the syntax tree; blocks are about two levels apart. */
const levelCost = 0.15
/** From here on deeper cuts are equally bad: together less than a strong seam. */
const deepestCost = 5
/** Behind an opening bracket, an operator or a keyword: what opens stays with its first statement. */
const openingCost = 1
/** Before a closing bracket, an operator or a keyword: worse than a stretch more. */
const closingCost = 2
/** Between a comment and what it is about. */
const commentCost = 1.2
/** Cuts that cost as much part what belongs together. */
export const strongSeam = 1
/** Where no blank row invites a cut. */
const unseparatedCost = 0.15

/** A syntax tree deeper than this is cut by layout: expressions of a thousand operands nest a thousand deep. */
const deepest = 300

/** Costs of cuts by row: a cut before it. Rows that are not in the map start inside a statement. */
export type CutCosts = ReadonlyMap<number, number>

/**
 * `owner` numbers the stretches of rows that are decided on: whole definitions have positive numbers, gaps between them negative
 * ones. Whole definitions and statements of gaps that fit a unit are not looked into.
 */
export function cutCosts(tree: Tree, lines: Lines, owner: Int32Array): CutCosts {
  const costs = new Map<number, number>()
  const pending: { node: Node; depth: number }[] = [{ node: tree.rootNode, depth: 0 }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, depth } = next
    let left: Node | undefined
    let leftEnd = -1
    for (const child of node.children) {
      const start = child.startPosition.row
      const end = endRow(child, lines)
      if (left !== undefined && leftEnd < start && !costs.has(start)) {
        costs.set(start, levelCost * Math.min(depth, deepestCost) + seam(left, leftEnd, child, lines))
      }
      if (end > start && depth < deepest && !isSettled(start, end, owner, lines))
        pending.push({ node: child, depth: depth + 1 })
      left = child
      leftEnd = Math.max(leftEnd, end)
    }
  }
  return costs
}

function isSettled(start: number, end: number, owner: Int32Array, lines: Lines): boolean {
  const of = owner[start] ?? 0
  return of === owner[end] && (of > 0 || lines.fits(start, end, wholeLimit))
}

function seam(left: Node, leftEnd: number, right: Node, lines: Lines): number {
  const row = right.startPosition.row
  const separated = row > 0 && lines.isBlank(row - 1)
  let cost = separated ? 0 : unseparatedCost
  if (!left.isNamed && !/^[,;\s]*$/.test(left.type)) cost += openingCost
  if (!right.isNamed) cost += closingCost
  else if (left.type.includes('comment') && !right.type.includes('comment') && speaksOf(left, leftEnd, row, lines)) {
    cost += commentCost
  }
  return cost
}

/** A comment speaks of what follows it directly, a documentation block also of what follows a blank row. */
function speaksOf(comment: Node, end: number, row: number, lines: Lines): boolean {
  return end === row - 1 || (end === row - 2 && lines.text.startsWith('/**', comment.startIndex))
}
