/** Models by name: which file a name means, which is in use, and what is there. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { knownArchitectures } from '../../extension/engine/architectures'
import {
  catalogue,
  defaultModel,
  gemma3,
  listModels,
  modelsFolder,
  resolveModel,
  smollm2,
  useModel,
} from '../../extension/engine/catalogue'
import { tinyModel, writeGguf } from '../support/gguf-writer'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

describe('the catalogue', () => {
  const previous = { ...process.env }
  const folder = temporaryFolder()
  const tiny = writeGguf(tinyModel())
  let config: string

  beforeEach(() => {
    process.env['LONGREAD_CACHE'] = join(temporaryFolder(), 'cache')
    process.env['XDG_CONFIG_HOME'] = temporaryFolder()
    config = join(process.env['XDG_CONFIG_HOME'], 'longread', 'config.json')
  })

  afterEach(() => {
    for (const name of ['LONGREAD_CACHE', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME'])
      if (previous[name] === undefined) Reflect.deleteProperty(process.env, name)
      else process.env[name] = previous[name]
  })

  const put = (name: string, bytes: Buffer = tiny): string => {
    mkdirSync(modelsFolder(), { recursive: true })
    const path = join(modelsFolder(), name)
    writeFileSync(path, bytes)
    return path
  }

  it('knows of each model what is needed to fetch and check it', () => {
    assert.equal(defaultModel, smollm2)
    for (const model of catalogue) {
      assert.match(model.sha256, /^[0-9a-f]{64}$/)
      assert.match(model.file, /^[\w.-]+\.gguf$/)
      assert.ok(model.bytes > 1e6 && model.licence && model.parts.length > 0)
      assert.ok(knownArchitectures.includes(model.architecture))
    }
    assert.equal(new Set(catalogue.map((m) => m.name)).size, catalogue.length)
  })

  it('keeps models in the cache folder of the platform, or where LONGREAD_CACHE says', () => {
    assert.equal(modelsFolder(), join(process.env['LONGREAD_CACHE'] ?? '', 'models'))
    delete process.env['LONGREAD_CACHE']
    process.env['XDG_CACHE_HOME'] = '/elsewhere'
    assert.equal(modelsFolder(), '/elsewhere/longread/models')
  })

  it('finds a model by its name, by the name of its file, and by a path', async () => {
    const known = put(smollm2.file)
    const own = put('Own-Model.Q8_0.gguf')
    const away = join(folder, 'away.gguf')
    writeFileSync(away, tiny)
    assert.deepEqual(await resolveModel('smollm2-135m'), { name: 'smollm2-135m', path: known })
    assert.deepEqual(await resolveModel(), { name: 'smollm2-135m', path: known })
    assert.deepEqual(await resolveModel('Own-Model.Q8_0'), { name: 'Own-Model.Q8_0', path: own })
    assert.deepEqual(await resolveModel(away), { name: 'away', path: away })
    const relative = join('..', away.slice(1).replace(/^/, '../'.repeat(process.cwd().split('/').length)))
    assert.equal((await resolveModel(relative)).path, away)
  })

  it('says what is missing by the name that was given, and how to get it', async () => {
    assert.match(await rejects(resolveModel(), 'no-model'), /No model "smollm2-135m" here. Run "longread model pull"/)
    assert.match(await rejects(resolveModel('nonsense'), 'no-model'), /"nonsense"/)
    assert.match(await rejects(resolveModel('/no/such.gguf'), 'no-model'), /"\/no\/such.gguf"/)
    await rejects(resolveModel('~/no-such-file.gguf'), 'no-model')
    assert.ok(!existsSync(join(homedir(), 'no-such-file.gguf')))
  })

  it('uses the model that was chosen, by its name or wherever it lies, until another is', async () => {
    put(smollm2.file)
    put('other.gguf')
    const away = join(folder, 'away.gguf')
    writeFileSync(away, tiny)
    assert.equal((await useModel('other')).name, 'other')
    assert.equal((await resolveModel()).name, 'other')
    await useModel(away)
    assert.equal((await resolveModel()).path, away)
    await useModel('smollm2-135m')
    assert.equal((await resolveModel()).name, 'smollm2-135m')
    assert.deepEqual(readdirSync(join(config, '..')), ['config.json'])
  })

  it('does not use a model that is not there or cannot be read, and keeps the choice before', async () => {
    put('good.gguf')
    put('bad.gguf', Buffer.from('no model'))
    put('mamba.gguf', writeGguf(tinyModel('mamba')))
    await useModel('good')
    await rejects(useModel('none'), 'no-model')
    await rejects(useModel('bad'), 'bad-model')
    await rejects(useModel('mamba'), 'bad-architecture')
    assert.equal((await resolveModel()).name, 'good')
  })

  it('keeps what else is in its file of choices, and starts anew when that is damaged', async () => {
    put('good.gguf')
    mkdirSync(join(config, '..'), { recursive: true })
    writeFileSync(config, '{ "colour": "green", "model": 7 }')
    assert.match(await rejects(resolveModel(), 'no-model'), /smollm2-135m/)
    await useModel('good')
    assert.deepEqual(JSON.parse(readFileSync(config, 'utf8')), { colour: 'green', model: 'good' })
    for (const damage of ['{ "model": "go', '[]', 'null', '']) {
      writeFileSync(config, damage)
      assert.match(await rejects(resolveModel(), 'no-model'), /smollm2-135m/)
    }
    await useModel('good')
    assert.equal((await resolveModel()).name, 'good')
  })

  it('says when the choice cannot be kept', async () => {
    put('good.gguf')
    writeFileSync(join(config, '..'), 'a file where the folder should be')
    await rejects(useModel('good'), 'disk')
  })

  it('lists what can be fetched and what is here, with sizes, which is in use, and what is wrong with it', async () => {
    put(smollm2.file)
    put('own.gguf')
    put('bad.gguf', Buffer.from('no model'))
    put('notes.txt')
    const away = join(folder, 'away.gguf')
    writeFileSync(away, tiny)
    await useModel(away)
    const models = await listModels()
    assert.deepEqual(
      models.map((m) => [m.name, m.known, m.onDisk, m.inUse, m.bytes]),
      [
        ['smollm2-135m', true, true, false, tiny.length],
        ['gemma3-270m', true, false, false, gemma3.bytes],
        ['bad', false, true, false, 8],
        ['own', false, true, false, tiny.length],
        ['away', false, true, true, tiny.length],
      ],
    )
    const [known, gemma, bad, own] = models
    assert.equal(known?.isDefault, true)
    assert.match(known.problem ?? '', /should have 98362432; pull it again/)
    assert.equal(gemma?.problem, undefined)
    assert.match(bad?.problem ?? '', /only 8 bytes/)
    assert.deepEqual([own?.title, own?.architecture, own?.problem], ['Tiny', 'llama', undefined])
  })

  it('lists before anything is here', async () => {
    const models = await listModels()
    assert.deepEqual(
      models.map((m) => [m.name, m.onDisk, m.inUse]),
      [
        ['smollm2-135m', false, true],
        ['gemma3-270m', false, false],
      ],
    )
  })
})
