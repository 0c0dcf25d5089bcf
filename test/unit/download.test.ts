/** Bringing a model to this machine from an address: a server of this machine that behaves in every bad way. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { modelsFolder, resolveModel } from '../../extension/engine/catalogue'
import { pullModel, type PullOptions } from '../../extension/engine/download'
import type { LongreadError } from '../../extension/errors'
import type { Progress } from '../../extension/protocol/types'
import { tinyModel, writeGguf } from '../support/gguf-writer'
import { rejects } from '../support/rejects'
import { temporaryFolder } from '../support/temp'

const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

// Large enough to come in many pieces.
const content = writeGguf(tinyModel('llama', 400))
const sha256 = sha256Of(content)

/** What the server does with one request. */
interface Behaviour {
  readonly status?: number
  readonly body?: Buffer
  readonly etag?: string
  /** Ends the connection after this many bytes. */
  readonly breakAfter?: number
  /** Sends no more after this many bytes, and leaves the connection open. */
  readonly stallAfter?: number
  /** Knows no ranges. */
  readonly whole?: boolean
  readonly redirect?: string
}

let server: Server
let address: string
let cache: string
/** Behaviours of the requests to come, the last one for all further ones. */
let script: Behaviour[]
let requests: IncomingMessage[]
/** Settles when the server has sent as much as a behaviour lets it. */
let paused: () => void

function serve(request: IncomingMessage, response: ServerResponse): void {
  requests.push(request)
  const { status = 200, body = content, etag = '"1"', ...does } = (script.length > 1 ? script.shift() : script[0]) ?? {}
  if (does.redirect !== undefined) return void response.writeHead(302, { location: does.redirect }).end()
  if (status !== 200) return void response.writeHead(status).end('no')
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
  const fits = request.headers['if-range'] === undefined || request.headers['if-range'] === etag
  const start = from !== undefined && fits && !does.whole ? Number(from) : 0
  if (start > 0 && start >= body.length)
    return void response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
  const range = { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` }
  const length = { etag, 'content-length': body.length - start }
  response.writeHead(start > 0 ? 206 : 200, start > 0 ? { ...length, ...range } : length)
  const most = does.breakAfter ?? does.stallAfter
  if (most === undefined) return void response.end(body.subarray(start))
  response.write(body.subarray(start, start + most), () => {
    if (does.breakAfter !== undefined) setTimeout(() => response.destroy(), 50)
    paused()
  })
}

const pull = (options: PullOptions = {}, name = 'tiny.gguf') =>
  pullModel(`${address}/${name}`, { sha256, retryMs: 5, ...options })

const files = () => readdirSync(modelsFolder()).sort()
const arrived = () => assert.deepEqual(readFileSync(join(modelsFolder(), 'tiny.gguf')), content)

describe('a download from an address', () => {
  const previous = process.env['LONGREAD_CACHE']

  before((done) => {
    server = createServer(serve).listen(0, '127.0.0.1', () => {
      address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      done()
    })
  })

  after((done) => {
    if (previous === undefined) delete process.env['LONGREAD_CACHE']
    else process.env['LONGREAD_CACHE'] = previous
    server.closeAllConnections()
    server.close(done)
  })

  beforeEach(() => {
    cache = temporaryFolder()
    process.env['LONGREAD_CACHE'] = cache
    script = [{}]
    requests = []
    paused = () => undefined
  })

  it('brings the file under its name, with progress, and nothing else', async () => {
    const progress: Progress[] = []
    const pulled = await pull({ onProgress: (p) => progress.push(p) })
    assert.deepEqual(pulled, {
      name: 'tiny',
      path: join(cache, 'models', 'tiny.gguf'),
      bytes: content.length,
      sha256,
      reused: false,
    })
    arrived()
    assert.deepEqual(files(), ['tiny.gguf'])
    assert.equal((await resolveModel('tiny')).path, pulled.path)
    const last = progress.at(-1)
    assert.deepEqual([last?.phase, last?.done, last?.total], ['download', content.length, content.length])
    assert.ok(progress.every((p, i) => p.done >= (progress[i - 1]?.done ?? 0)))
  })

  it('is not repeated when the right file is here, and is when a wrong one is', async () => {
    await pull()
    assert.equal((await pull()).reused, true)
    assert.equal(requests.length, 1)
    writeFileSync(join(modelsFolder(), 'tiny.gguf'), content.subarray(1))
    assert.equal((await pull()).reused, false)
    arrived()
  })

  it('continues by itself where the connection broke', async () => {
    script = [{ breakAfter: 1_000_000 }, { status: 503 }, { breakAfter: 2_000_000 }, {}]
    await pull()
    arrived()
    const ranges = requests.map((r) => r.headers.range)
    assert.equal(ranges[0], undefined)
    assert.match(ranges.at(-1) ?? '', /^bytes=[1-9]\d+-$/)
    assert.equal(requests.at(-1)?.headers['if-range'], '"1"')
  })

  it('continues when the server falls silent', async () => {
    script = [{ stallAfter: 1_000_000 }, {}]
    await pull({ stallMs: 200 })
    arrived()
    assert.equal(requests.length, 2)
  })

  it('that is cancelled keeps what came and continues from there the next time', async () => {
    script = [{ stallAfter: 1_500_000 }, {}]
    const abort = new AbortController()
    const stopped = rejects(
      pull({ signal: abort.signal, onProgress: (p) => p.done >= 1_500_000 && abort.abort() }),
      'cancelled',
    )
    await new Promise<void>((resolve) => (paused = resolve))
    // Progress is reported at most ten times a second, so the last may never come.
    setTimeout(() => abort.abort(), 500)
    await stopped
    assert.deepEqual(files(), ['tiny.gguf.part'])
    const kept = statSync(join(modelsFolder(), 'tiny.gguf.part', 'data')).size
    assert.ok(kept > 0)
    await pull()
    arrived()
    assert.equal(requests[1]?.headers.range, `bytes=${kept}-`)
    assert.deepEqual(files(), ['tiny.gguf'])
  })

  it('can be cancelled at any moment, and always arrives in the end', async () => {
    script = [{ breakAfter: 300_000 }]
    for (let i = 0; i < 8; ++i) {
      const abort = new AbortController()
      const pulled = pull({ signal: abort.signal, retryMs: 1 }).catch((error: unknown) => error)
      await delay(Math.random() * 60)
      const asked = performance.now()
      abort.abort()
      const outcome = await pulled
      assert.ok(performance.now() - asked < 1500)
      assert.ok(!(outcome instanceof Error) || (outcome as LongreadError).code === 'cancelled', String(outcome))
    }
    script = [{}]
    await pull()
    arrived()
    assert.deepEqual(files(), ['tiny.gguf'])
  })

  it('starts again when the file on the server has changed', async () => {
    script = [{ body: Buffer.alloc(content.length, 1), etag: '"old"', breakAfter: 1_000_000 }, {}]
    await pull()
    arrived()
    assert.equal(requests[1]?.headers['if-range'], '"old"')
  })

  it('starts again when the server cannot continue', async () => {
    script = [{ breakAfter: 1_000_000 }, { whole: true }]
    await pull()
    arrived()
  })

  it('that had all but the last step done asks for nothing more than that it is all', async () => {
    const part = join(modelsFolder(), 'tiny.gguf.part')
    mkdirSync(part, { recursive: true })
    writeFileSync(join(part, 'data'), content)
    writeFileSync(join(part, 'source.json'), JSON.stringify({ url: `${address}/tiny.gguf`, sha256, validator: '"1"' }))
    await pull()
    arrived()
    assert.equal(requests.length, 1)
  })

  it('takes up what a killed process left, and not what a living one works on', async () => {
    const host = /tiny\.gguf\.part\.(.+)\.\d+\.[0-9a-f]+$/
    script = [{ stallAfter: 1_000_000 }]
    const url = JSON.stringify(`${address}/tiny.gguf`)
    const download = JSON.stringify(require.resolve('../../extension/engine/download'))
    const child = spawn(process.execPath, ['-e', `require(${download}).pullModel(${url}, { sha256: '${sha256}' })`], {
      stdio: 'inherit',
    })
    await new Promise<void>((resolve) => (paused = resolve))
    const theirs = () => files().find((f) => host.test(f)) ?? ''
    while (!theirs() || !(statSync(join(modelsFolder(), theirs(), 'data'), { throwIfNoEntry: false })?.size ?? 0))
      await delay(10)

    script = [{}]
    await pull({}, 'tiny.gguf')
    arrived()
    assert.equal(requests[1]?.headers.range, undefined)
    assert.ok(theirs())

    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    writeFileSync(join(modelsFolder(), 'tiny.gguf'), '')
    await pull()
    arrived()
    assert.match(requests[2]?.headers.range ?? '', /^bytes=[1-9]/)
    assert.deepEqual(files(), ['tiny.gguf'])
  })

  it('asked for several times at once arrives for all', async () => {
    script = [{ breakAfter: 2_000_000 }]
    await Promise.all([pull(), pull(), pull()])
    arrived()
    assert.deepEqual(files(), ['tiny.gguf'])
  })

  it('of another file is deleted and said to be another', async () => {
    const other = Buffer.from(content)
    other.writeUInt8(other.readUInt8(other.length - 1) ^ 1, other.length - 1)
    script = [{ body: other }]
    const message = await rejects(pull(), 'download')
    assert.ok(message.includes(sha256) && message.includes(sha256Of(other)))
    assert.match(message, /deleted\. Check the address and the checksum/)
    assert.deepEqual(files(), [])
  })

  it('of something that is no model, or of another kind of model, is not accepted', async () => {
    const text = Buffer.from('This is a text and no model.')
    script = [{ body: text }]
    const message = await rejects(pull({ sha256: sha256Of(text) }), 'bad-model')
    assert.ok(message.startsWith(`${address}/tiny.gguf cannot be used as a model: it is not a GGUF file`), message)
    const other = writeGguf(tinyModel('mamba'))
    script = [{ body: other }]
    assert.match(await rejects(pull({ sha256: sha256Of(other) }), 'bad-architecture'), /"mamba"/)
    assert.deepEqual(files(), [])
  })

  it('fails with what the server said when trying again makes no sense, and after a few attempts when it does', async () => {
    script = [{ status: 404 }]
    assert.match(await rejects(pull(), 'download'), /answered 404 Not Found; check the address/)
    assert.equal(requests.length, 1)
    script = [{ status: 500 }]
    assert.match(await rejects(pull(), 'download'), /answered 500 Internal Server Error; .*run the command again/)
    assert.deepEqual(
      requests.map((r) => r.url),
      Array(6).fill('/tiny.gguf'),
    )
    assert.deepEqual(files(), [])
  })

  it('fails when there is no server, and says why', async () => {
    const message = await rejects(pullModel('http://127.0.0.1:9/x.gguf', { sha256, retryMs: 1 }), 'download')
    assert.match(message, /http:\/\/127.0.0.1:9\/x.gguf could not be downloaded: .+/)
  })

  it('never says what is behind the question mark of an address, as that may be a secret', async () => {
    script = [{ status: 403 }]
    const message = await rejects(pull({}, 'tiny.gguf?token=hush'), 'download')
    assert.doesNotMatch(message, /hush/)
  })

  it('that finds the disk full says so and leaves no file under the final name', async () => {
    const part = join(modelsFolder(), 'tiny.gguf.part')
    mkdirSync(part, { recursive: true })
    // The device that answers every write with "no space left".
    symlinkSync('/dev/full', join(part, 'data'))
    writeFileSync(join(part, 'source.json'), JSON.stringify({ sha256 }))
    const message = await rejects(pull(), 'disk')
    assert.match(message, /no space left on device.*LONGREAD_CACHE/)
    assert.ok(!existsSync(join(modelsFolder(), 'tiny.gguf')))
    assert.equal(requests.length, 1)
    script = [{}]
    await pull()
    arrived()
  })

  it('that cannot be written says so', async () => {
    writeFileSync(join(cache, 'models'), 'a file where the folder should be')
    assert.match(await rejects(pull(), 'disk'), /could not be written/)
  })

  it('is only made from https, or this machine, to a .gguf file, with a checksum', async () => {
    const wrong: [string, string | undefined, RegExp][] = [
      ['http://example.com/x.gguf', sha256, /neither the name of a model nor an https address/],
      ['file:///etc/passwd.gguf', sha256, /neither/],
      ['no-such-model', sha256, /neither/],
      ['https://me:secret@example.com/x.gguf', sha256, /neither/],
      [`${address}/x.bin`, sha256, /not the address of a .gguf file/],
      [`${address}/%2egguf`, sha256, /not the address/],
      [`${address}/x.gguf`, undefined, /--sha256/],
      [`${address}/x.gguf`, 'abc', /--sha256/],
    ]
    for (const [url, sum, expected] of wrong)
      assert.match(await rejects(pullModel(url, sum === undefined ? {} : { sha256: sum }), 'usage'), expected)
    assert.equal(requests.length, 0)
  })

  it('with slashes hidden in its address stays in its folder', async () => {
    await pull({}, '..%2f..%2ftiny.gguf')
    assert.deepEqual(files(), ['tiny.gguf'])
    assert.deepEqual(readdirSync(cache), ['models'])
  })

  it('follows where it is sent, but not to an address that is neither https nor this machine', async () => {
    script = [{ redirect: `${address}/other.gguf` }, {}]
    await pull()
    arrived()
    // Another name of this machine, which is not one of those known to be.
    script = [{ redirect: `${address.replace('127.0.0.1', '0.0.0.0')}/other.gguf` }, {}]
    assert.match(await rejects(pull({}, 'second.gguf'), 'download'), /not https/)
    assert.deepEqual(files(), ['tiny.gguf'])
  })
})
