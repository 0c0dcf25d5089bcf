// Every text that the extension shows, gathered from its sources into the file that translations are made from:
// first arguments of `t`, `vscode.l10n.t`, `host.t` and `fill`. With --check: says whether the file is what it should be.
const { readdirSync, readFileSync, writeFileSync } = require('node:fs')
const path = require('node:path')
const ts = require('typescript')

const root = path.join(__dirname, '..')
const bundle = path.join(root, 'media/l10n/bundle.l10n.json')
const translators = new Set(['t', 'fill'])

const nameOf = (callee) =>
  ts.isPropertyAccessExpression(callee) ? callee.name.text : ts.isIdentifier(callee) ? callee.text : ''

/** Texts of one file; calls of `t` whose text is not written there are `unclear`, as `file:line`. */
function textsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
  const texts = []
  const unclear = []
  const visit = (node) => {
    if (ts.isCallExpression(node) && translators.has(nameOf(node.expression))) {
      const [first] = node.arguments
      if (first && ts.isStringLiteralLike(first)) texts.push(first.text)
      else unclear.push(`${path.relative(root, file)}:${source.getLineAndCharacterOfPosition(node.pos).line + 1}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { texts, unclear }
}

function gather() {
  const files = ['views', 'answer'].flatMap((room) =>
    readdirSync(path.join(root, 'extension', room), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => path.join(root, 'extension', room, name)),
  )
  const all = files.map(textsOf)
  const texts = [...new Set(all.flatMap(({ texts: some }) => some))].sort()
  return { texts, unclear: all.flatMap(({ unclear }) => unclear) }
}

const written = (texts) => `${JSON.stringify(Object.fromEntries(texts.map((text) => [text, text])), null, 2)}\n`

module.exports = { gather, written, bundle }

if (require.main === module) {
  const { texts } = gather()
  if (!process.argv.includes('--check')) writeFileSync(bundle, written(texts))
  else if (readFileSync(bundle, 'utf8') !== written(texts)) {
    console.error('media/l10n/bundle.l10n.json is not what the sources say: run "node .ci/l10n.cjs".')
    process.exit(1)
  }
}
