/** The MCP server: its tools as an agent sees them, over a pair of linked transports, with a session that says what it was asked. */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Client, InMemoryTransport } from '@modelcontextprotocol/client'
import { createMcpServer } from '../../extension/cli/mcp-server'
import { packageRoot } from '../../extension/engine/addon'
import type { AskWhat, RecallWhat } from '../../extension/engine/workspace-session'
import { LongreadError } from '../../extension/errors'
import { workspace } from '../support/workspace'
import type { AskResult, RecalledUnit, RecallResult } from '../../extension/protocol/types'

const root = join(packageRoot(), 'test/fixtures/repository')
const unit = {
  file: 'web/router.ts', startLine: 4, endLine: 5, kind: 'class', symbol: 'Router', score: 3, signals: {}, foundBy: [{ word: 'routes', share: 1 }],
} as const // prettier-ignore

describe('the MCP server', () => {
  let client: Client
  let recalled: RecallWhat[]
  let asked: AskWhat[]
  let fail: LongreadError | undefined
  let found: RecalledUnit[]
  let serve: (folder: string) => Promise<void>

  beforeEach(async () => {
    recalled = []
    asked = []
    fail = undefined
    found = [unit]
    const session = {
      recall: (what: RecallWhat) => {
        recalled.push(what)
        if (fail) return Promise.reject(fail)
        return Promise.resolve([{ question: '', units: found, files: [], ms: 0 } satisfies RecallResult])
      },
      ask: (what: AskWhat) => {
        asked.push(what)
        const citations = [{ sentence: 0, weight: 1, file: 'web/router.ts', startLine: 4, endLine: 5 }]
        return Promise.resolve({ answer: 'By its parts.', citations, reading: [] } as unknown as AskResult)
      },
    }
    serve = async (folder) => {
      const answer = { readingTokens: 700, maxTokens: 200 }
      const server = createMcpServer({ root: folder, version: '1.2.3', session, answer })
      const [mine, its] = InMemoryTransport.createLinkedPair()
      client = new Client({ name: 'test', version: '1' })
      await Promise.all([server.connect(its), client.connect(mine)])
    }
    await serve(root)
  })

  afterEach(() => client.close())

  const call = async (name: string, args: Record<string, unknown>) => {
    const { content, isError } = await client.callTool({ name, arguments: args })
    const [first] = content as { text: string }[]
    return { text: first?.text ?? '', isError: isError === true }
  }

  it('has three tools, none of which changes anything', async () => {
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint]),
      [
        ['recall', true],
        ['ask', true],
        ['read', true],
      ],
    )
  })

  it('finds code and gives it with its place', async () => {
    const { text } = await call('recall', { question: 'how are routes kept?', within: ['web/'] })
    assert.match(
      text,
      /^web\/router\.ts:4-5 Router \(score 3\.00; found by routes\)\n```\nexport class Router \{\n.*routes.*\n```$/,
    )
    assert.deepEqual(recalled[0], {
      questions: ['how are routes kept?'], top: 8, signals: 'all', rerank: true, rarity: true, within: [{ file: 'web/' }],
    }) // prettier-ignore
  })

  it('answers with the places that the answer comes from', async () => {
    assert.equal((await call('ask', { question: 'How?' })).text, 'By its parts.\n\nFrom: `web/router.ts:4-5`')
    assert.equal(asked[0]?.within, undefined)
  })

  it('reads lines of a file that is not left out, and of no other', async () => {
    assert.equal(
      (await call('read', { file: 'web/session.ts', startLine: 4, endLine: 5 })).text,
      "const cookieName = 'lantern_session'\nconst cookieDays = 19",
    )
    for (const file of ['../../../package.json', '/etc/passwd', '.git/config', 'nothing.ts'])
      assert.match((await call('read', { file })).text, /is not among the files that Longread reads/, file)
  })

  it('gives no code of a file that has gone, or holds a secret by now, and that of the others all the same', async () => {
    const own = workspace({
      'a.py': 'def alpha():\n    return 1\n',
      'secret.py': `key = "ghp_${'aB3dE5gH7jK9'.repeat(3)}"\n`,
      'made.js': '// @generated\nlet made = 1\n',
      '.longreadignore': '!made.js\n',
    })
    symlinkSync('/etc/passwd', join(own, 'link.py'))
    await client.close()
    await serve(own)
    found = ['gone.py', 'secret.py', 'link.py', 'made.js', 'a.py'].map((file) => ({
      ...unit,
      file,
      startLine: 1,
      endLine: 2,
    }))
    const { text, isError } = await call('recall', { question: 'x' })
    assert.equal(isError, false)
    const codes = [...text.matchAll(/^```\n([^]*?)\n```$/gm)].map(([, code]) => code)
    assert.deepEqual(codes, ['', '', '', '// @generated\nlet made = 1', 'def alpha():\n    return 1'])
    assert.match((await call('read', { file: 'made.js' })).text, /let made/)
    for (const file of ['secret.py', 'link.py'])
      assert.match((await call('read', { file })).text, /is left out|is not among/, file)
  })

  it('tells the agent what went wrong, and serves on', async () => {
    fail = new LongreadError('no-model', 'No model here.')
    assert.deepEqual(await call('recall', { question: 'x' }), { text: 'No model here. [no-model]', isError: true })
    fail = undefined
    assert.equal((await call('recall', { question: 'x' })).isError, false)
  })
})
