/** What other programs get of the real model: a summary, and an MCP server's answers. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { packageRoot } from '../../extension/engine/addon'
import type { Section } from '../../extension/protocol/types'
import { longread } from '../support/command'
import { modelPath, repositoryFixture } from '../support/model'
import { temporaryFolder } from '../support/temp'

describe('longread for other programs', function () {
  this.timeout(600_000)
  const memory = join(temporaryFolder(), 'memory')
  before(modelPath)

  it('summarises a repository in eight sections, each claim with its place', async () => {
    const { status, stdout, stderr } = await longread('summarize', repositoryFixture, '--memory', memory, '--json')
    assert.equal(status, 0, stderr)
    const sections = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Section)
    const of = (id: Section['id']) => sections.find((section) => section.id === id)?.markdown ?? ''
    assert.equal(sections.length, 8)
    assert.match(of('purpose'), /\]\(README\.md#L\d+\)/)
    assert.match(of('architecture'), /^```mermaid\nflowchart LR\n[^`]*"web \(2\)"/)
    assert.match(of('types'), /\*\*(JobStore|Router)\*\* \(\[(jobs\/store\.py|web\/router\.ts):\d+-\d+\]/)
    assert.match(of('changes'), /\*\*.+\*\*: \[/)
  })

  it('serves recall, ask and read to an agent', async () => {
    const cli = join(packageRoot(), 'out/extension/cli.js')
    const args = [cli, 'mcp', repositoryFixture, '--memory', memory, '--when-asked']
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(new StdioClientTransport({ command: process.execPath, args, stderr: 'ignore' }))
    try {
      const call = async (name: string, input: Record<string, unknown>) => {
        const { content } = await client.callTool({ name, arguments: input }, { timeout: 500_000 })
        return (content as { text: string }[])[0]?.text ?? ''
      }
      const found = await call('recall', { question: 'How is a path matched against the routes?', top: 2 })
      assert.match(found, /^web\/router\.ts:\d+-\d+ /)
      assert.match(found, /route\.parts\.every/)
      assert.match(
        await call('ask', { question: 'What is the longest wait in seconds?', within: ['jobs/'] }),
        /`jobs\/backoff\.py:/,
      )
      assert.match(await call('read', { file: 'README.md', startLine: 1, endLine: 1 }), /^# Lantern$/)
    } finally {
      await client.close()
    }
  })
})
