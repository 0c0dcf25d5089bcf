/** Longread, packaged, in a window on a workspace: what every suite starts from and ends with. */
import type { Browser } from 'playwright-core'
import { startServer, type CodeServer, type ServerOptions } from './code-server'
import { logOf } from './log'
import { packageExtension } from './package'
import { launch, Window } from './window'

export interface Opened {
  readonly server: CodeServer
  readonly browser: Browser
  readonly window: Window
  /** What the extension has written to its output channel. */
  log(): string
  close(): Promise<void>
}

export async function openExtension(options: Omit<ServerOptions, 'vsix'>): Promise<Opened> {
  const settings = { 'workbench.colorTheme': 'Dark Modern', ...options.settings }
  const server = await startServer({ ...options, settings, vsix: packageExtension().file })
  const browser = await launch()
  return {
    server,
    browser,
    window: await Window.open(browser, server),
    log: () => logOf(options.folder),
    async close() {
      await browser.close()
      await server.stop()
    },
  }
}

/** A picture of what was there when a test failed. */
export async function pictureOfFailure({ currentTest }: Mocha.Context, window: Window | undefined): Promise<void> {
  if (currentTest?.state === 'failed') await window?.picture(`failed ${currentTest.title.slice(0, 60)}`)
}
