/** Windows in which not all is as it should be: a folder that is not trusted, a machine without a model, a window without a folder. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelPath, repositoryFixture } from '../support/model'
import { temporaryFolder } from '../support/temp'
import { openExtension, pictureOfFailure, type Opened } from './support/opened'
import { enginesBelow } from './support/processes'

/** A generous bound, since a busy machine must pass as an idle one does. */
const answerMs = 400_000

describe('a window of VS Code', function () {
  this.timeout(500_000)
  let opened: Opened | undefined

  afterEach(async function () {
    await pictureOfFailure(this, opened?.window)
    await opened?.close()
    opened = undefined
  })

  function lantern(): { folder: string; workspace: string } {
    const folder = temporaryFolder()
    const workspace = join(folder, 'lantern')
    cpSync(repositoryFixture, workspace, { recursive: true })
    return { folder, workspace }
  }

  it('on a folder that is not trusted reads and answers, but takes neither model nor memory folder from it', async () => {
    await modelPath()
    const { folder, workspace } = lantern()
    const foreign = join(workspace, 'memory')
    mkdirSync(join(workspace, '.vscode'))
    writeFileSync(
      join(workspace, '.vscode/settings.json'),
      JSON.stringify({ 'longread.model': join(workspace, 'foreign.gguf'), 'longread.memory.folder': foreign }),
    )
    const kept = join(folder, 'memory')
    opened = await openExtension({
      folder,
      workspace,
      trust: true,
      settings: { 'longread.memory.folder': kept, 'security.workspace.trust.startupPrompt': 'never' },
    })
    const { window } = opened
    await window.page.waitForSelector('[id="status.workspaceTrust"], .part.banner:has-text("Restricted")')
    const panel = await window.openPanel()
    await panel.click('.welcome .primary')
    await panel.waitForSelector('.session.ready', { timeout: answerMs })
    await panel.fill('.composer textarea', 'How is a path matched against the routes?')
    await panel.press('.composer textarea', 'Enter')
    await panel.locator('.turn .sources .place').first().waitFor({ timeout: answerMs })
    await window.picture('30 restricted, dark')
    assert.ok(existsSync(kept))
    assert.ok(!existsSync(foreign))
  })

  it('on a machine without a model says so, offers to download it and starts no engine', async () => {
    const { folder, workspace } = lantern()
    const cache = join(folder, 'cache')
    opened = await openExtension({ folder, workspace, environment: { LONGREAD_CACHE: cache } })
    const { window, server } = opened
    const panel = await window.openPanel()
    await panel.click('.welcome .primary')
    await panel.waitForSelector('.session.no-model', { timeout: answerMs })
    assert.match(await panel.innerText('.panel'), /Download/)
    await window.picture('31 no model, dark')
    await window.page.locator('[id="longread.longread.longread"] a, [id="longread.longread.longread"]').first().click()
    const rows = window.page.locator('.quick-input-list .monaco-list-row')
    await rows.filter({ hasText: 'Download the Model' }).first().waitFor()
    await window.picture('32 no model, menu, dark')
    assert.deepEqual(enginesBelow(server.pid), [])
  })

  it('without a folder says what to do', async () => {
    const { folder } = lantern()
    opened = await openExtension({ folder, workspace: undefined })
    const { window } = opened
    const panel = await window.openPanel()
    await panel.waitForSelector('.session.none')
    assert.match(await panel.innerText('.panel'), /Open a folder/)
    await panel.locator('.welcome .primary', { hasText: 'Open Folder' }).waitFor()
    await window.picture('33 no folder, dark')
  })
})
