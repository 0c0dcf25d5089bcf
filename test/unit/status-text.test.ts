/** What the status bar says in each state. */
import assert from 'node:assert/strict'
import { LongreadError, noModel } from '../../extension/errors'
import type { Device, Progress } from '../../extension/protocol/types'
import { statusText, type Translate } from '../../extension/views/status-text'

const t: Translate = (message, ...args) => message.replace(/\{(\d)\}/g, (_, i: string) => String(args[Number(i)]))
const held = {
  files: 1200, skipped: [], units: 3, tokens: 54321, seconds: 1, tokensPerSecond: 1, memoryBytes: 5, reused: 0, tokensRead: 0,
} // prettier-ignore
const progress: Progress = { phase: 'read', done: 430, total: 1000, unit: 'tokens', rate: 465, etaSeconds: 200 }

describe('the status bar', () => {
  it('says where reading stands', () => {
    const texts = [
      statusText(undefined, t),
      statusText({ kind: 'no-model', error: noModel('x') }, t),
      statusText({ kind: 'reading', progress, held: undefined }, t),
      statusText({ kind: 'paused', progress, held: undefined }, t),
      statusText({ kind: 'failed', error: new LongreadError('engine-died', 'It died.') }, t),
    ].map(({ text, severity }) => `${severity}: ${text}`)
    assert.deepEqual(texts, [
      'normal: $(book) Longread',
      'warning: $(book) No model',
      'normal: $(sync~spin) Reading 43 %',
      'normal: $(debug-pause) Paused at 43 %',
      'error: $(error) Longread',
    ])
  })

  it('tells speed and what is left to go while reading, and what is held when it is ready', () => {
    assert.match(
      statusText({ kind: 'reading', progress, held: undefined }, t).tooltip,
      /430 tokens, 465 a second\.\n3 min to go\./,
    )
    assert.match(statusText({ kind: 'ready', held }, t).tooltip, /1,200 files with 54,321 tokens/)
  })

  it('names the GPU that computes, and how much of the model lies there', () => {
    const gpu = { kind: 'cuda', name: 'NVIDIA H100', memoryFree: 1, memoryTotal: 2, layers: 12 } as const
    const tooltip = (device: Device) => statusText({ kind: 'ready', held }, t, device).tooltip
    assert.match(tooltip({ ...gpu, whole: true }), /\nComputed on NVIDIA H100\.$/)
    assert.match(tooltip({ ...gpu, whole: false }), /\nComputed on NVIDIA H100 \(12 layers\) and the processor\.$/)
    assert.doesNotMatch(tooltip({ ...gpu, kind: 'cpu', name: 'zen4', whole: false }), /Computed/)
  })

  it('shows no share of what has no known end', () => {
    for (const part of [{ ...progress, total: 0 }, { ...progress, phase: 'load' as const }, undefined])
      assert.equal(statusText({ kind: 'reading', progress: part, held: undefined }, t).text, '$(sync~spin) Reading')
  })
})
