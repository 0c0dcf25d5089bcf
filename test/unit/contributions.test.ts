/** What package.json contributes and what the code names are the same. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { agents, commands, contextKeys, section, settingNames, views } from '../../extension/contributions'
import { packageRoot } from '../../extension/engine/addon'

interface Manifest {
  readonly icon: string
  readonly contributes: {
    readonly commands: readonly { readonly command: string; readonly title: string; readonly enablement?: string }[]
    readonly menus: Readonly<
      Record<string, readonly { readonly command: string; readonly submenu?: string; readonly when?: string }[]>
    >
    readonly submenus: readonly { readonly id: string }[]
    readonly keybindings: readonly { readonly command: string; readonly when?: string }[]
    readonly views: Readonly<Record<string, readonly { readonly id: string; readonly icon: string }[]>>
    readonly chatParticipants: readonly { readonly id: string }[]
    readonly languageModelTools: readonly { readonly name: string }[]
    readonly languageModelChatProviders: readonly { readonly vendor: string }[]
    readonly mcpServerDefinitionProviders: readonly { readonly id: string }[]
    readonly configuration: readonly { readonly properties: Readonly<Record<string, Setting>> }[]
  }
}

interface Setting {
  readonly default: unknown
  readonly description?: string
  readonly markdownDescription?: string
}

const readJson = (file: string): unknown => JSON.parse(readFileSync(join(packageRoot(), file), 'utf8'))
const manifest = readJson('package.json')
const { contributes, icon } = manifest as Manifest
const texts = readJson('package.nls.json') as Readonly<Record<string, string>>
/** A text of the manifest, as people read it. */
const shown = (text: string): string => text.replace(/^%(.+)%$/, (_, key: string) => texts[key] ?? '')

describe('contributions', () => {
  it('name every command of package.json, and no other', () => {
    assert.deepEqual(contributes.commands.map(({ command }) => command).sort(), Object.values(commands).sort())
  })

  it('name every setting, each with a default and a description', () => {
    const properties = Object.assign({}, ...contributes.configuration.map((c) => c.properties)) as Record<
      string,
      Setting
    >
    assert.deepEqual(
      Object.keys(properties).sort(),
      Object.keys(settingNames)
        .map((name) => `${section}.${name}`)
        .sort(),
    )
    for (const [name, setting] of Object.entries(properties)) {
      assert.notEqual(setting.default, undefined, name)
      assert.match(shown(setting.description ?? setting.markdownDescription ?? ''), /\.$/, name)
    }
  })

  it('name every view, with an icon that is there', () => {
    const contributed = Object.values(contributes.views).flat()
    assert.deepEqual(
      contributed.map(({ id }) => id),
      Object.values(views),
    )
    for (const file of [icon, ...contributed.map((view) => view.icon)])
      assert.ok(existsSync(join(packageRoot(), file)), file)
  })

  it('name the participant, the tool, the models and the servers', () => {
    const { chatParticipants, languageModelTools, languageModelChatProviders, mcpServerDefinitionProviders } =
      contributes
    assert.deepEqual(
      [
        ...chatParticipants.map(({ id }) => id),
        ...languageModelTools.map(({ name }) => name),
        ...languageModelChatProviders.map(({ vendor }) => vendor),
        ...mcpServerDefinitionProviders.map(({ id }) => id),
      ],
      [agents.participant, agents.tool, agents.vendor, agents.mcp],
    )
  })

  it('put only known commands into menus and on keys, under context keys that are set', () => {
    const known = new Set<string>(Object.values(commands))
    const keys = new Set<string>([...Object.values(contextKeys), ...Object.values(views), agents.comments])
    const entries: readonly { command: string; submenu?: string; when?: string }[] = [
      ...Object.values(contributes.menus).flat(),
      ...contributes.keybindings,
    ]
    for (const { command, submenu } of entries)
      assert.ok(
        submenu === undefined ? known.has(command) : contributes.submenus.some(({ id }) => id === submenu),
        command,
      )
    const conditions = [...entries.map(({ when }) => when), ...contributes.commands.map(({ enablement }) => enablement)]
    for (const key of conditions.join(' ').match(/longread\.[\w.]+/g) ?? []) assert.ok(keys.has(key), key)
  })
})

/** Fields of the manifest that people read; what models read is English. */
const readFields = new Set([
  'title',
  'displayName',
  'description',
  'markdownDescription',
  'userDescription',
  'contents',
  'name',
  'label',
  'enumDescriptions',
  'aliases',
])
/** Names that are the same in every language: of the product, of what is typed. */
const names = new Set<string>(['Longread', 'repo', 'find', 'explain', 'summarize', agents.tool])

/** Texts in fields that people read. */
function textsIn(value: unknown, read: boolean): string[] {
  if (typeof value === 'string') return read ? [value] : []
  if (Array.isArray(value)) return value.flatMap((one) => textsIn(one, read))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([field, one]) => {
    // What a participant is good for is told to a model, and the tool's schema is.
    if (field === 'disambiguation' || field === 'inputSchema') return []
    return textsIn(one, readFields.has(field))
  })
}

describe('texts', () => {
  it('of the manifest all stand in package.nls.json, and no others', () => {
    const { capabilities } = manifest as { capabilities: unknown }
    const all = textsIn(
      { contributes, capabilities, description: (manifest as { description: string }).description },
      false,
    )
    const keys = all.flatMap((text) => /^%(.+)%$/.exec(text)?.[1] ?? [])
    assert.deepEqual(
      all.filter((text) => !/^%.+%$/.test(text) && !names.has(text)),
      [],
      'texts that are not translated',
    )
    assert.deepEqual([...new Set(keys)].sort(), Object.keys(texts).sort())
  })

  it('of the code all stand in the bundle that translations are made from, as they are written', () => {
    const { gather, written, bundle } = createRequire(__filename)(join(packageRoot(), '.ci/l10n.cjs')) as L10n
    const { texts: gathered, unclear } = gather()
    assert.ok(gathered.length > 100)
    assert.deepEqual(unclear, [], 'texts that cannot be gathered')
    assert.equal(readFileSync(bundle, 'utf8'), written(gathered), 'run "node .ci/l10n.cjs"')
    const { l10n } = manifest as { l10n: string }
    assert.equal(join(packageRoot(), l10n, 'bundle.l10n.json'), bundle)
  })

  it('of the code are shown by VS Code only when they were translated', () => {
    const views = join(packageRoot(), 'extension/views')
    const shows =
      /\b(?:show(?:Information|Warning|Error)Message|createWebviewPanel)\(\s*['"`]|(?:title|placeHolder|prompt|tooltip|label): ['"`][A-Z][\w ]* \w/g
    const found = readdirSync(views, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) =>
        [...readFileSync(join(views, name), 'utf8').matchAll(shows)].map(([text]) => `${name}: ${text}`),
      )
    assert.deepEqual(found, [])
  })
})

interface L10n {
  readonly gather: () => { readonly texts: readonly string[]; readonly unclear: readonly string[] }
  readonly written: (texts: readonly string[]) => string
  readonly bundle: string
}
