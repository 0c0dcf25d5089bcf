/**
 * The extension as people use it: its package in a real VS Code, in a real browser, on a real repository, with the real default
 * model. The tests follow one another in one window, as a person's work does.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import type { Frame } from 'playwright-core'
import { packageRoot } from '../../extension/engine/addon'
import { modelPath, repositoryFixture } from '../support/model'
import { temporaryFolder } from '../support/temp'
import { openExtension, pictureOfFailure, type Opened } from './support/opened'
import { packageExtension } from './support/package'
import { enginesBelow } from './support/processes'
import type { Window } from './support/window'

/** A generous bound, since a busy machine must pass as an idle one does. */
const answerMs = 400_000

describe('the extension in VS Code', function () {
  this.timeout(500_000)
  const folder = temporaryFolder()
  let opened: Opened
  let window: Window
  let panel: Frame

  before(async function () {
    await modelPath()
    const workspace = join(folder, 'lantern')
    cpSync(repositoryFixture, workspace, { recursive: true })
    mkdirSync(join(workspace, '.vscode'))
    opened = await openExtension({
      folder,
      workspace,
      settings: { 'longread.memory.folder': join(folder, 'memory') },
    })
    window = opened.window
  })

  after(() => opened.close())

  afterEach(async function () {
    await pictureOfFailure(this, window)
  })

  const turn = (n: number) => panel.locator('.turn').nth(n)
  const ask = async (text: string) => {
    const { length } = await panel.locator('.turn').all()
    await panel.fill('.composer textarea', text)
    await panel.press('.composer textarea', 'Enter')
    return turn(length)
  }
  const log = () => opened.log()

  it('is packed with all it needs and nothing else, in less than 40 MB', () => {
    const { files, bytes } = packageExtension()
    console.log(`      ${(bytes / 1e6).toFixed(1)} MB in ${files.length} files`)
    assert.ok(bytes < 40e6)
    for (const wanted of [
      'native/build/Release/longread.node',
      'out/bundle/extension/main.js',
      'out/bundle/chat/codicon.ttf',
    ])
      assert.ok(files.includes(wanted), wanted)
    assert.ok(files.some((name) => /libggml-cpu-.*\.so$/.test(name)))
    assert.ok(files.some((name) => name.endsWith('tree-sitter-python.wasm')))
    assert.deepEqual(
      files.filter(
        (name) => /^(test|extension|\.ci|coverage|out\/(extension|test|media))\//.test(name) || name.endsWith('.map'),
      ),
      [],
    )
  })

  it('opens its panel from the keyboard and says what it would do before it does it', async () => {
    panel = await window.openPanel()
    await panel.waitForSelector('.session.unread')
    await window.picture('1 unread, dark')
    assert.match(await panel.innerText('.welcome'), /Nothing leaves this machine/)
    assert.deepEqual(enginesBelow(opened.server.pid), [], 'nothing is read yet')
    console.log(`      ${/activated in .* ms/.exec(log())?.[0] ?? ''}`)
  })

  it('reads the repository in the background, stops and goes on', async () => {
    await panel.click('.welcome .primary')
    await panel.click('.session.reading button:has-text("Pause")')
    await panel.waitForSelector('.session.paused')
    await panel.click('.session.paused button:has-text("Continue")')
    await panel.waitForSelector('.session.ready', { timeout: answerMs })
    assert.match(await panel.innerText('.session'), /7 files/)
    await panel.click('.coverage summary')
    assert.match(await panel.innerText('.coverage-list'), /left out/)
    await window.picture('2 coverage, dark')
    await panel.click('.coverage > summary')
  })

  it('answers with citations that open their lines', async () => {
    const answer = await ask('How is a path matched against the routes?')
    await answer.locator('.sources .place').first().waitFor({ timeout: answerMs })
    assert.match(await answer.locator('.sources').innerText(), /web\/router\.ts/)
    await answer.locator('.cite').first().click()
    await window.page.waitForSelector('.tab:has-text("router.ts")')
    await window.page.waitForSelector('.view-overlays .cdr', { state: 'attached' })
    await window.picture('3 answer and cited lines, dark')
  })

  it('says why it found what it found, and lights it in the editor', async () => {
    await turn(0).locator('.why summary').click()
    const why = await turn(0).locator('.why').innerText()
    assert.match(why, /attention/)
    assert.match(why, /found by/)
    await turn(0).locator('.why button:has-text("Highlight")').click()
    await window.page.waitForSelector('.editor-actions .codicon-clear-all')
    await window.picture('4 why, dark')
    await window.command('Longread: Clear Highlights')
    await window.page.waitForSelector('.editor-actions .codicon-clear-all', { state: 'detached' })
    await turn(0).locator('.why summary').click()
  })

  it('completes what @ points at, by the keyboard', async () => {
    await panel.fill('.composer textarea', '')
    await panel.locator('.composer textarea').pressSequentially('What is @sess')
    await panel.waitForSelector('#mentions [role=option]')
    await window.picture('5 mentions, dark')
    await panel.press('.composer textarea', 'ArrowDown')
    await panel.press('.composer textarea', 'ArrowUp')
    await panel.press('.composer textarea', 'Enter')
    assert.match(await panel.inputValue('.composer textarea'), /^What is @(web\/session\.ts|session\w*) $/i)
    await panel.press('.composer textarea', 'Enter')
    await turn(1).locator('.sources, .error').first().waitFor({ timeout: answerMs })
    assert.match((await turn(1).locator('.why').textContent()) ?? '', /session/)
    assert.deepEqual(
      (await turn(1).locator('.sources').innerText())
        .match(/\w+\/\w+\.\w+/g)
        ?.filter((file) => file !== 'web/session.ts'),
      [],
    )
  })

  it('stops an answer on Escape and keeps what was said', async () => {
    // A short answer would have ended before anybody could stop it.
    const answer = await ask('Write out the whole code of the job store again.')
    await answer.locator('.markdown').waitFor({ timeout: answerMs })
    await panel.press('.composer textarea', 'Escape')
    await answer.locator('text=Stopped.').waitFor()
    const said = await answer.locator('.markdown').innerText()
    await window.page.waitForTimeout(1000)
    assert.equal(await answer.locator('.markdown').innerText(), said)
    await window.picture('6 stopped, dark')
  })

  it('starts the engine again when it was killed, and answers', async () => {
    const [engine] = enginesBelow(opened.server.pid)
    assert.ok(engine !== undefined)
    const answer = await ask('Which port does the page of the browser use?')
    await answer.locator('.doing', { hasText: /closer|found/ }).waitFor({ timeout: answerMs })
    process.kill(engine, 'SIGKILL')
    await answer.locator('.actions').waitFor({ timeout: answerMs })
    assert.equal(await answer.locator('.error').count(), 0)
    assert.match((await answer.locator('.why').textContent()) ?? '', /README\.md|docs/)
    // Written with a delay.
    await window.page.waitForTimeout(2000)
    assert.match(log(), /The engine stopped \(SIGKILL\) and was started again/)
    assert.notDeepEqual(enginesBelow(opened.server.pid), [engine])
  })

  it('asks an edited question in place of the old one', async () => {
    await turn(1).locator('.question .icon').click()
    await panel.fill('.question.editing textarea', 'How long is a session cookie valid?')
    await panel.press('.question.editing textarea', 'Enter')
    await turn(2).waitFor({ state: 'detached' })
    await turn(1).locator('.sources, .error').first().waitFor({ timeout: answerMs })
    assert.equal(await panel.locator('.turn').count(), 2)
  })

  it('answers in the code, in a thread that can be stopped and dismissed', async () => {
    const { page } = window
    await page.locator('.tab:has-text("router.ts")').click()
    await page.locator('.editor-instance .view-line').nth(3).click()
    await page.keyboard.press('Control+Alt+J')
    await page.waitForSelector('.quick-input-widget input')
    await page.keyboard.type('Who keeps the routes?')
    await page.keyboard.press('Enter')
    const thread = page.locator('.review-widget')
    await thread.locator('a:has-text("web/router.ts")').first().waitFor({ timeout: answerMs })
    await window.picture('7 in the code, dark')
    await page.keyboard.press('Control+Alt+J')
    await page.waitForSelector('.quick-input-widget input')
    await page.keyboard.type('Explain all of it, line by line.')
    await page.keyboard.press('Enter')
    await thread.locator('.codicon-debug-stop').click()
    await thread.locator('text=Stopped.').waitFor({ timeout: answerMs })
    await thread.locator('.codicon-close').click()
    await thread.waitFor({ state: 'detached' })
  })

  it("answers as @repo in VS Code's own chat, where the local model can be picked", async () => {
    const { page } = window
    await page.keyboard.press('Control+Alt+I')
    await page
      .locator('.chat-input-toolbars, .interactive-input-part')
      .first()
      .locator('text=/SmolLM2|Gemma/') // whichever model is here
      .first()
      .waitFor()
    await page.keyboard.type('@repo ', { delay: 80 })
    await page.keyboard.type('/find where is a path matched against the routes?', { delay: 20 })
    await page.keyboard.press('Enter')
    await page.locator('.interactive-response :text("router.ts")').first().waitFor({ timeout: answerMs })
    await window.picture('8 @repo, dark')
    panel = await window.openPanel()
  })

  it('has what was said, and what was read, after the window is reloaded', async () => {
    const before = await panel.locator('.turn .markdown').allInnerTexts()
    const started = performance.now()
    await window.page.reload()
    await window.ready()
    const shown = performance.now()
    panel = await window.openPanel()
    await panel.waitForSelector('.session.ready', { timeout: answerMs })
    const ready = performance.now()
    console.log(`      reload ${seconds(shown - started)}, then ready after ${seconds(ready - shown)}`)
    await window.page.waitForTimeout(2000)
    for (const [line] of log().matchAll(/(?:ready [\d.]+ s after activation|longest pause .*)/g))
      console.log(`      ${line}`)
    await panel.waitForSelector('.turn')
    assert.deepEqual(await panel.locator('.turn .markdown').allInnerTexts(), before)
  })

  it('finds an earlier chat again', async () => {
    await window.command('Longread: New Chat')
    await panel.waitForSelector('.welcome .suggestions')
    await window.command('Longread: Show Earlier Chats')
    await panel.fill('.history input', 'cookie')
    await panel.waitForSelector('.history .excerpt')
    await window.picture('9 history, dark')
    await panel.click('.history .conversation')
    await panel.waitForSelector('.turn')
    assert.equal(await panel.locator('.turn').count(), 2)
  })

  it('is as accessible in light and high contrast as in dark', async () => {
    await turn(0).locator('.why summary').click()
    const axe = readFileSync(join(packageRoot(), 'node_modules/axe-core/axe.min.js'), 'utf8')
    for (const theme of ['Dark Modern', 'Light Modern', 'Dark High Contrast']) {
      await window.setTheme(theme)
      await window.picture(`10 answer, ${theme}`)
      await panel.evaluate(axe)
      const { violations } = await panel.evaluate<AxeResults>('axe.run()')
      assert.deepEqual(
        violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`)]),
        [],
        theme,
      )
    }
    await window.setTheme('Light Modern')
  })

  it('shows the same chat wide, in an editor, and narrow', async () => {
    await window.command('Longread: Open Chat in an Editor')
    const wide = await window.panel(2)
    await wide.waitForSelector('.welcome')
    await window.picture('11 in an editor, light')
    await window.page.setViewportSize({ width: 900, height: 700 })
    await window.picture('12 narrow window, light')
    const overflow = await panel.evaluate<number>(
      `document.documentElement.scrollWidth - document.documentElement.clientWidth`,
    )
    assert.equal(overflow, 0)
  })

  it('summarises the repository, and goes on where it was broken off', async () => {
    const { page } = window
    await page.setViewportSize({ width: 1400, height: 900 })
    const cancel = page.locator(
      '.notifications-toasts a:has-text("Cancel"), .notifications-toasts .monaco-button:has-text("Cancel")',
    )
    await window.command('Longread: Summarise This Repository')
    await page.locator('.view-line:has-text("## Purpose")').waitFor({ timeout: answerMs })
    await cancel.first().click()
    await window.command('Longread: Summarise This Repository')
    await page.locator('.tab:has-text("Preview SUMMARY-2.md")').waitFor({ timeout: answerMs })
    await window.picture('13 summary, light')
  })

  it('leaves no process behind', async () => {
    const engines = enginesBelow(opened.server.pid)
    assert.equal(engines.length, 1)
    await opened.server.stop()
    assert.deepEqual(enginesBelow(opened.server.pid), [])
  })
})

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
