/**
 * The README's pictures of the extension, taken of it: its package in a real VS Code, on a real library, with the default model.
 *
 *   longread bench pictures [--to FOLDER]
 *
 * What was read is kept in the cache folder, so that a second run only asks.
 */
import { mkdirSync } from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { startServer } from '../../host/support/code-server'
import { packageExtension } from '../../host/support/package'
import { launch, Window } from '../../host/support/window'
import { temporaryFolder } from '../../support/temp'
import { cacheFolder, sourceFile } from '../corpus/repositories'
import { assemble } from '../facts/assemble'

/** Milliseconds for what a model says or reads on a busy machine. */
const answerMs = 600_000

export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { to: { type: 'string', default: sourceFile('media/pictures') } },
  })
  const folder = temporaryFolder()
  await assemble(['flask/src', 'flask/README.md', 'flask/pyproject.toml'], folder)
  const workspace = path.join(folder, 'flask')
  const memory = path.join(cacheFolder(), 'pictures-memory')
  const server = await startServer({
    folder,
    vsix: packageExtension().file,
    workspace,
    settings: {
      'longread.memory.folder': memory,
      'longread.reading.start': 'automatic',
      'longread.codeLens': true,
      'workbench.colorTheme': 'Dark Modern',
      'editor.minimap.enabled': false,
      'comments.openView': 'never',
    },
  })
  const browser = await launch()
  try {
    const window = await Window.open(browser, server)
    const shoot = async (name: string) => {
      // Notices, and where the mouse is, are not what the picture is about.
      await window.command('Notifications: Clear All Notifications')
      await window.page.mouse.move(700, 880)
      // Cited lines are lit for four seconds.
      await window.page.waitForTimeout(5000)
      mkdirSync(values.to, { recursive: true })
      await window.page.screenshot({ path: path.join(values.to, `${name}.png`) })
      process.stdout.write(`${path.join(values.to, `${name}.png`)}\n`)
    }
    await window.held(answerMs)
    await chat(window)
    await shoot('chat')
    await inTheCode(window)
    await shoot('code')
    await summary(window)
    await shoot('summary')
  } finally {
    await browser.close()
    await server.stop()
  }
}

async function chat(window: Window): Promise<void> {
  const { page } = window
  const panel = await window.openPanel()
  await panel.waitForSelector('.session.ready', { timeout: answerMs })
  await page.keyboard.press('Control+B')
  // Wide enough for bars and heat.
  const sash = page.locator('.monaco-sash.vertical').last()
  const box = await sash.boundingBox()
  if (box) {
    await page.mouse.move(box.x + 2, box.y + 300)
    await page.mouse.down()
    await page.mouse.move(box.x - 190, box.y + 300, { steps: 5 })
    await page.mouse.up()
  }
  await panel.fill('.composer textarea', 'How is a session cookie signed?')
  await panel.press('.composer textarea', 'Enter')
  const turn = panel.locator('.turn').first()
  await turn.locator('.sources .place').first().waitFor({ timeout: answerMs })
  await turn.locator('.sources .place').first().click()
  await turn.locator('.why summary').first().click()
  await turn.locator('.why button:has-text("Highlight")').click()
}

async function inTheCode(window: Window): Promise<void> {
  const { page } = window
  await window.command('Longread: Clear Highlights')
  await window.openFile('config.py:50')
  await page.keyboard.press('Control+Alt+J')
  await page.waitForSelector('.quick-input-widget input')
  await page.keyboard.type('Who makes one of these, and when?')
  await page.keyboard.press('Enter')
  await page.locator('.review-widget a').filter({ hasText: '.py' }).first().waitFor({ timeout: answerMs })
}

async function summary(window: Window): Promise<void> {
  const { page } = window
  await window.setTheme('Light Modern')
  await window.command('View: Close All Editors')
  await window.command('Longread: Summarise This Repository')
  await page.locator('.tab:has-text("Preview SUMMARY.md")').waitFor({ timeout: answerMs })
}
