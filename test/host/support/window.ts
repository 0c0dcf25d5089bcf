/** One browser window on a code-server: its workbench, the panel's page inside of it, and pictures of both for people to look at. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Browser, type Frame, type Page } from 'playwright-core'
import { cacheFolder } from '../../../extension/engine/catalogue'
import type { CodeServer } from './code-server'

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })

/** Runs in a page, whose types this side does not know. */
const panelWidth = `document.querySelector('#chat .panel') ? document.body.clientWidth : 0`

/** Where pictures go: outside of the project. */
const pictures = join(cacheFolder(), 'pictures')

/** Tries up to so many times; the last failure is told. */
async function again(tries: number, attempt: () => Promise<void>): Promise<void> {
  try {
    await attempt()
  } catch (thrown) {
    if (tries <= 1) throw thrown
    await again(tries - 1, attempt)
  }
}

export class Window {
  private constructor(
    readonly page: Page,
    private readonly shown: string,
  ) {}

  /** @param shown what is there once the workbench is and the extension runs */
  static async open(
    browser: Browser,
    server: Pick<CodeServer, 'url'>,
    width = 1400,
    height = 900,
    shown = '[id="longread.longread.longread"]',
  ): Promise<Window> {
    const page = await browser.newPage({ viewport: { width, height } })
    await page.goto(server.url)
    const window = new Window(page, shown)
    await window.ready()
    return window
  }

  /** The workbench is there and the extension runs. */
  async ready(): Promise<void> {
    await this.page.waitForSelector(this.shown, { timeout: 120_000 })
  }

  /**
   * The window has its folders. VS Code reads the file of a workspace while it starts; on a busy machine a window comes up now and then
   * that has read none, and stays so until it is loaded again.
   */
  async folders(): Promise<void> {
    await again(5, async () => {
      try {
        await this.page.waitForSelector('.explorer-folders-view .monaco-list-row', { timeout: 20_000 })
      } catch (thrown) {
        await this.page.reload()
        await this.ready()
        throw thrown
      }
    })
  }

  /** The status bar says that all is read. */
  async held(timeout: number): Promise<void> {
    const item = '[id="longread.longread.longread"]'
    await this.page.waitForSelector(`${item}[aria-label*="Ready"], ${item} [aria-label*="Ready"]`, { timeout })
  }

  async command(title: string): Promise<void> {
    const { page } = this
    // A page that is just being shown swallows keys, and a palette that is just closing takes none.
    await again(10, async () => {
      await page.keyboard.press('F1')
      await page.fill('.quick-input-widget input', `>${title}`, { timeout: 3000 })
    })
    await page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first().click()
  }

  /** @param place its name, or the end of its path, and a line behind a colon where that matters */
  async openFile(place: string): Promise<void> {
    const { page } = this
    const name = place.replace(/^.*\/|:\d+$/g, '')
    await this.command('Go to File')
    await page.waitForSelector('.quick-input-widget input[placeholder*="Search files"]')
    await page.fill('.quick-input-widget input', place)
    await page.locator('.quick-input-list .monaco-list-row', { hasText: name }).first().click()
    await page.waitForSelector(`.tab.active:has-text("${name}")`)
  }

  /** A key for the editor, which gets the focus back some time after a panel's button was pressed. */
  async typeInEditor(key: string): Promise<void> {
    await this.page.waitForSelector('.editor-instance .monaco-editor.focused')
    await this.page.keyboard.press(key)
  }

  /** The page of a chat panel: of so many that are shown the widest. */
  async panel(widestOf = 1): Promise<Frame> {
    for (let tries = 0; tries < 300; tries++) {
      const found: { frame: Frame; width: number }[] = []
      for (const frame of this.page.frames()) {
        const width = await frame.evaluate<number>(panelWidth).catch(() => 0)
        if (width > 0) found.push({ frame, width })
      }
      found.sort((a, b) => b.width - a.width)
      const [first] = found
      if (first && found.length >= widestOf) return first.frame
      await this.page.waitForTimeout(100)
    }
    throw new Error('no chat panel')
  }

  async openPanel(): Promise<Frame> {
    await this.page.keyboard.press('Control+Alt+L')
    return this.panel()
  }

  async setTheme(theme: string): Promise<void> {
    const { page } = this
    await this.command('Preferences: Color Theme')
    await page.waitForSelector('.quick-input-list .monaco-list-row')
    await page.fill('.quick-input-widget input', theme)
    await page.locator('.quick-input-list .monaco-list-row', { hasText: theme }).first().click()
    const kind = /Contrast/.test(theme) ? 'hc-black' : /Light/.test(theme) ? 'vs' : 'vs-dark'
    await page.waitForSelector(`.monaco-workbench.${kind}`, { timeout: 20_000 })
    await page.waitForTimeout(500)
  }

  async picture(name: string): Promise<void> {
    mkdirSync(pictures, { recursive: true })
    await this.page.screenshot({ path: join(pictures, `${name}.png`) })
  }

  /** Names of the open editors. */
  tabs(): Promise<string[]> {
    return this.page.locator('.tabs-container .tab .label-name').allTextContents()
  }
}
