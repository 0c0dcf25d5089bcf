/**
 * What lies around the chat, in one window on two folders: which of them is asked, the memory view, the trace, the model picker, questions
 * from the lightbulb and from the lines above definitions, a folder's summary, a report without code, and an engine that cannot start.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Frame } from 'playwright-core'
import type { Conversation } from '../../extension/protocol/chat'
import { modelPath, repositoryFixture } from '../support/model'
import { temporaryFolder } from '../support/temp'
import { openExtension, pictureOfFailure, type Opened } from './support/opened'
import type { Window } from './support/window'

/** A generous bound, since a busy machine must pass as an idle one does. */
const answerMs = 400_000

const notebook = {
  cells: [
    { cell_type: 'markdown', metadata: {}, source: ['# Rates of currencies\n'] },
    {
      cell_type: 'code',
      metadata: {},
      execution_count: null,
      outputs: [],
      source: [
        'def convert(amount, rate):\n',
        '    """Converts an amount of money."""\n',
        '    return amount * rate\n',
      ],
    },
  ],
  metadata: { language_info: { name: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
}

describe('around the chat, in VS Code', function () {
  this.timeout(500_000)
  const folder = temporaryFolder()
  const lantern = join(folder, 'lantern')
  const ledger = join(folder, 'ledger')
  // Of the machine: the model is a file there.
  const settingsFile = join(folder, 'data/Machine/settings.json')
  let opened: Opened
  let window: Window
  let panel: Frame

  before(async function () {
    await modelPath()
    cpSync(repositoryFixture, lantern, { recursive: true })
    mkdirSync(ledger)
    writeFileSync(join(ledger, 'rates.ipynb'), JSON.stringify(notebook))
    writeFileSync(
      join(ledger, 'invoice.py'),
      'def overdue(invoice, today):\n    """Whether an invoice should have been paid by now."""\n    return invoice.due < today\n',
    )
    const workspace = join(folder, 'both.code-workspace')
    writeFileSync(workspace, JSON.stringify({ folders: [{ path: 'lantern' }, { path: 'ledger' }] }))
    opened = await openExtension({
      folder,
      workspace,
      settings: {
        'longread.memory.folder': join(folder, 'memory'),
        'longread.reading.start': 'automatic',
        'longread.codeLens': true,
      },
    })
    window = opened.window
    await window.folders()
    panel = await window.openPanel()
  })

  after(() => opened.close())

  afterEach(async function () {
    await pictureOfFailure(this, window)
  })

  const ask = async (text: string) => {
    const { length } = await panel.locator('.turn').all()
    await panel.fill('.composer textarea', text)
    await panel.press('.composer textarea', 'Enter')
    const turn = panel.locator('.turn').nth(length)
    await turn.locator('.sources, .error').first().waitFor({ timeout: answerMs })
    return turn
  }

  it('asks the folder of two that is chosen', async () => {
    const { page } = window
    await panel.waitForSelector('.session.ready', { timeout: answerMs })
    assert.match(await panel.innerText('.session'), /lantern/)
    await window.command('Longread: Choose the Folder to Ask')
    await page.locator('.quick-input-list .monaco-list-row', { hasText: 'ledger' }).first().click()
    await panel.waitForSelector('.session.ready:has-text("ledger")', { timeout: answerMs })
    const turn = await ask('When should an invoice have been paid?')
    assert.match(await turn.locator('.sources').innerText(), /invoice\.py/)
    await window.picture('20 two folders, dark')
  })

  it('opens the cell of a notebook that an answer cites', async () => {
    const turn = await ask('How is an amount of money converted by a rate?')
    const cell = turn.locator('.sources .place, .why .place').filter({ hasText: 'rates.ipynb' }).first()
    if (!(await cell.isVisible())) await turn.locator('.why summary').first().click()
    await cell.click()
    await window.page.waitForSelector('.tab.active:has-text("rates.ipynb")')
    await window.page.waitForSelector('.notebookOverlay, .notebook-editor, .view-line')
    await window.picture('21 notebook, dark')
  })

  it('answers again in other words, or the same', async () => {
    const turn = panel.locator('.turn').last()
    await turn.locator('.actions .codicon-refresh').click()
    await panel.locator('.turn').last().locator('[aria-busy="true"]').waitFor()
    await panel.locator('.turn').last().locator('.sources, .error').first().waitFor({ timeout: answerMs })
    assert.equal(await panel.locator('.turn').count(), 2)
    assert.equal(await panel.locator('.turn .error').count(), 0)
  })

  it('shows how an answer came about, step by step, coloured by its grammar', async () => {
    const { page } = window
    await window.command('Longread: Show How the Last Answer Came About')
    await page.waitForSelector('.tab.active:has-text(".longread-trace")')
    await page.waitForSelector('.editor-instance .view-line span[class*="mtk"]')
    await window.picture('22 trace, dark')
    const kinds = await page
      .locator('.editor-instance .view-line span[class*="mtk"]')
      .evaluateAll((spans) => [...new Set(spans.map((span) => (span as { className: string }).className))])
    assert.ok(kinds.length > 2, 'more than one colour')
  })

  it('exports a chat as Markdown that names the lines it cites', async () => {
    const { page } = window
    await window.command('Longread: Export Chat as Markdown')
    const input = page.locator('.quick-input-widget input')
    // The dialog begins with a name of its own.
    while (!(await input.inputValue()).endsWith('.md')) await page.waitForTimeout(100)
    const file = join(folder, 'chat.md')
    await input.fill(file)
    // It looks into that folder first.
    await page.locator('.quick-input-list .monaco-list-row', { hasText: 'extensions' }).first().waitFor()
    await page.locator('.quick-input-widget .monaco-button', { hasText: 'OK' }).click()
    await page.waitForSelector('.tab.active:has-text("chat.md")')
    const text = readFileSync(file, 'utf8')
    assert.match(text, /When should an invoice have been paid\?/)
    assert.match(text, /invoice\.py.*1/)
  })

  it('puts code of an answer at the cursor, and applies it when its difference is accepted', async () => {
    const { page } = window
    const [chats] = readdirSync(join(folder, 'data'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('longread.longread/chats'),
    )
    assert.ok(chats)
    // An answer of a model, but that it is known what stands in it.
    const code = 'PAID = True'
    const earlier: Conversation = {
      id: randomUUID(),
      folder: pathToFileURL(ledger).href,
      turns: [
        {
          id: randomUUID(),
          question: 'Write the constant of a paid invoice',
          mentions: [],
          state: 'done',
          answer: `Here it is:\n\n\`\`\`python\n${code}\n\`\`\`\n`,
          asked: Date.now(),
        },
      ],
    }
    writeFileSync(join(folder, 'data', chats, `${earlier.id}.json`), JSON.stringify(earlier))
    await window.openFile('invoice.py')
    await window.typeInEditor('Control+Home')
    await window.command('Longread: Show Earlier Chats')
    await panel.fill('.history input', 'constant of a paid')
    await panel.locator('.history .conversation').first().click()
    await panel.locator('.turn h2', { hasText: 'Write the constant' }).waitFor()
    // What was just drawn may be drawn again, and a click between the two is lost.
    await page.waitForTimeout(1000)
    const block = panel.locator('.turn .code')
    await block.locator('[data-code="insert"]').click()
    const first = page.locator('.editor-instance .view-line').first()
    await first.filter({ hasText: code }).waitFor()
    await window.typeInEditor('Control+End')
    await page.waitForSelector('.part.statusbar :text("Ln 5, Col 1")')
    await block.locator('[data-code="apply"]').click()
    await page.waitForSelector('.tab.active:has-text("proposed")')
    await window.picture('24 proposed change, dark')
    await page.locator('.notifications-toasts .monaco-button', { hasText: 'Apply' }).first().click()
    await page.waitForSelector('.tab:has-text("proposed")', { state: 'detached' })
    await window.typeInEditor('Control+S')
    const saved = () => readFileSync(join(ledger, 'invoice.py'), 'utf8')
    for (let tries = 0; saved().split(code).length < 3 && tries < 100; tries++) await page.waitForTimeout(100)
    assert.match(saved(), /^PAID = True[^]*PAID = True\s*$/)
  })

  it('leaves a file out from the memory view, and says so', async () => {
    const { page } = window
    await window.openFile('router.ts')
    await window.command('Longread: Focus on Memory View')
    const row = page.locator('.monaco-list-row', { hasText: 'README.md' }).filter({ hasText: 'tokens' }).first()
    await row.waitFor({ timeout: answerMs })
    await window.picture('23 memory, dark')
    await row.hover()
    await row.locator('.action-label').first().click()
    await row.waitFor({ state: 'detached', timeout: answerMs })
    assert.match(readFileSync(join(lantern, '.longreadignore'), 'utf8'), /^\/README\.md$/m)
  })

  it('offers its questions above definitions and in the lightbulb, and answers at the lines', async () => {
    const { page } = window
    await window.openFile('router.ts')
    await page.locator('.codelens-decoration a', { hasText: 'Longread: explain' }).first().waitFor({ timeout: 60_000 })
    await window.picture('24 lines above definitions, dark')
    await page.locator('.editor-instance .view-line').nth(11).click()
    await page.keyboard.press('Control+.')
    await page.locator('.action-widget .monaco-list-row', { hasText: 'who uses this' }).first().click()
    const thread = page.locator('.review-widget')
    await thread
      .locator('a')
      .filter({ hasText: /\.ts|\.py|\.md/ })
      .first()
      .waitFor({ timeout: answerMs })
    await window.picture('25 who uses this, dark')
    await thread.locator('.codicon-close').click()
  })

  it('summarises a folder from the explorer', async () => {
    const { page } = window
    await window.command('View: Show Explorer')
    const row = page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'jobs' }).first()
    await row.click({ button: 'right' })
    const item = page.locator('.monaco-menu .action-label', { hasText: 'Summarise This Folder' }).first()
    await item.waitFor()
    // A menu that has just opened takes no click.
    await page.waitForTimeout(500)
    await item.click()
    await page.locator('.tab:has-text("Preview SUMMARY")').waitFor({ timeout: answerMs })
    await window.picture('26 summary of a folder, dark')
  })

  it('says which models are here and whether they fit', async () => {
    const { page } = window
    await window.command('Longread: Choose a Model')
    const rows = page.locator('.quick-input-list .monaco-list-row')
    await rows.filter({ hasText: 'SmolLM2 135M' }).first().waitFor()
    assert.match(await rows.filter({ hasText: 'SmolLM2 135M' }).first().innerText(), /Fits: takes about/)
    await window.picture('27 models, dark')
    await page.keyboard.press('Escape')
  })

  it('reports a problem with versions and without code, paths or questions', async () => {
    const { page } = window
    await window.command('Longread: Report a Problem')
    await page.locator('.view-line', { hasText: 'What happened' }).first().waitFor()
    const text = await page.locator('.editor-instance').last().innerText()
    assert.match(text.replaceAll('\u00a0', ' '), /Longread 0\.1\.0, VS Code/)
    assert.ok(!text.includes('lantern') && !text.includes('invoice'))
  })

  it('says what to do when the model is broken, and goes on when it is whole again', async () => {
    const broken = join(folder, 'broken.gguf')
    writeFileSync(broken, readFileSync(await modelPath()).subarray(0, 5_000_000))
    const settings = JSON.parse(readFileSync(settingsFile, 'utf8')) as Record<string, unknown>
    writeFileSync(settingsFile, JSON.stringify({ ...settings, 'longread.model': broken }))
    await panel.waitForSelector('.session.failed', { timeout: answerMs })
    assert.match(await panel.innerText('.session'), /broken\.gguf|cut|incomplete|ends/i)
    await window.picture('28 broken model, dark')
    writeFileSync(settingsFile, JSON.stringify(settings))
    await panel.waitForSelector('.session.ready', { timeout: answerMs })
  })
})
