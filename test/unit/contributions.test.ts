/** What package.json contributes and what the code names are the same. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
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

const { contributes, icon } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as Manifest

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
      assert.match(setting.description ?? setting.markdownDescription ?? '', /\.$/, name)
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
