/** GGUF files: what a model says of itself, and that anything else ends in one clear error, in little time and memory. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, copyFileSync, ftruncateSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { knownArchitectures } from '../../extension/engine/architectures'
import { modelsFolder, smollm2 } from '../../extension/engine/catalogue'
import { readGguf } from '../../extension/engine/gguf'
import { fingerprint, readModelFile, type ModelFile } from '../../extension/engine/model-file'
import { LongreadError } from '../../extension/errors'
import { f32, str, tinyModel, u32, writeGguf, type Gguf, type Value } from '../support/gguf-writer'
import { temporaryFolder } from '../support/temp'

const folder = temporaryFolder()
const file = join(folder, 'model.gguf')

const write = (bytes: Buffer): string => {
  writeFileSync(file, bytes)
  return file
}

/** The reason why a file is refused; fails when it is not, or refused by anything but one clear error. */
function refusal(path: string): string {
  try {
    readModelFile(path)
  } catch (error) {
    assert.ok(error instanceof LongreadError, `not an error for people: ${String(error)}`)
    assert.ok(error.code === 'bad-model' || error.code === 'bad-architecture', error.code)
    assert.ok(error.message.startsWith(path), error.message)
    assert.ok(error.message.length < path.length + 400, error.message)
    assert.doesNotMatch(error.message, /[\p{Cc}]/u)
    return error.message
  }
  return assert.fail('was accepted')
}

/** True when the file is still a model, false when it is refused as it should be. */
function survives(path: string): boolean {
  let model: ModelFile
  try {
    model = readModelFile(path)
  } catch {
    refusal(path)
    return false
  }
  assert.equal(model.embedding % 1, 0)
  assert.ok(model.tensors.every((t) => t.offset + t.bytes <= model.bytes))
  return true
}

const changed = (change: (model: Gguf) => void): string => {
  const model = tinyModel()
  change(model)
  return write(writeGguf(model))
}

describe('a GGUF file that is a model', () => {
  it('tells its architecture, sizes, chat template and tensors', () => {
    const model = readModelFile(write(writeGguf(tinyModel())))
    const { tensors, path, bytes, ...rest } = model
    assert.deepEqual(rest, {
      architecture: 'llama',
      name: 'Tiny',
      layers: 2,
      context: 512,
      embedding: 32,
      feedForward: 64,
      heads: 2,
      keyHeads: 1,
      headSize: 16,
      vocab: 300,
      chatTemplate: '{{ messages }}',
    })
    assert.equal(path, file)
    assert.equal(bytes, statSync(file).size)
    assert.equal(tensors.length, 20)
    assert.deepEqual(tensors[0]?.shape, [32, 300])
    assert.equal(tensors[0].bytes, (32 * 300 * 34) / 32)
  })

  it('may be of version 2, have another alignment, an own output, and metadata nobody knows', () => {
    const model = tinyModel()
    model.alignment = 256
    model.metadata['general.alignment'] = u32(256)
    model.metadata['x.y'] = { type: 'array', of: 'u8', value: [1, 2, 3] }
    model.tensors.push({ name: 'output.weight', shape: [32, 300], type: 1 })
    assert.equal(readModelFile(write(writeGguf({ ...model, version: 2 }))).tensors.length, 21)
  })

  it('is checked for what its architecture needs, for every architecture', () => {
    for (const architecture of knownArchitectures) {
      const model = tinyModel(architecture)
      assert.equal(readModelFile(write(writeGguf(model))).architecture, architecture)
      for (const tensor of model.tensors) {
        const without = model.tensors.filter((t) => t !== tensor)
        assert.match(refusal(write(writeGguf({ ...model, tensors: without }))), / is missing; /)
      }
    }
  })

  it('slides in the layers that it says, each by one yes or no, or in a pattern', () => {
    const sliding = (value: Value): Gguf => {
      const model = tinyModel('gemma3')
      model.metadata['gemma3.attention.sliding_window'] = u32(64)
      model.metadata['gemma3.attention.sliding_window_pattern'] = value
      return model
    }
    const list = (of: 'bool' | 'f32', value: number[]): Value => ({ type: 'array', of, value })
    for (const value of [u32(2), list('bool', [1, 0])]) readModelFile(write(writeGguf(sliding(value))))
    assert.match(refusal(write(writeGguf(sliding(list('bool', [1]))))), /tells of 1 layers .* and has 2/)
    assert.match(refusal(write(writeGguf(sliding(list('f32', [1, 0]))))), /not a list of yes and no/)
    const other = sliding(u32(2))
    other.metadata['gemma3.attention.key_length_swa'] = u32(32)
    assert.match(refusal(write(writeGguf(other))), /sliding layers have heads of another size/)
  })

  it('holds nothing that its architecture has no place for', () => {
    const model = tinyModel('qwen3')
    model.tensors.push({ name: 'blk.0.attn_output.bias', shape: [32], type: 0 })
    assert.match(refusal(write(writeGguf(model))), /attn_output.bias is no part of a model of architecture qwen3/)
  })

  it('is refused by its name when it is of another architecture', () => {
    assert.match(
      refusal(write(writeGguf(tinyModel('mamba')))),
      /architecture "mamba".*it reads llama, qwen2, qwen3, gemma3/,
    )
  })
})

describe('a file that cannot be used', () => {
  it('says which metadata is missing', () => {
    const optional = new Set([
      'general.name',
      'llama.attention.head_count_kv',
      'llama.rope.freq_base',
      'tokenizer.ggml.token_type',
      'tokenizer.ggml.bos_token_id',
      'tokenizer.chat_template',
    ])
    for (const key of Object.keys(tinyModel().metadata)) {
      const path = changed((m) => Reflect.deleteProperty(m.metadata, key))
      // Without their number, key heads are taken to be as many as heads, and then the tensors do not fit.
      if (optional.has(key) && key !== 'llama.attention.head_count_kv') readModelFile(path)
      else refusal(path)
    }
    assert.match(refusal(changed((m) => delete m.metadata['llama.block_count'])), /lacks "llama.block_count"/)
  })

  it('says which number cannot be', () => {
    const wrong: [string, ReturnType<typeof u32>, RegExp][] = [
      ['llama.block_count', u32(1001), /"llama.block_count" is 1,001/],
      ['llama.block_count', u32(3), /blk.2.attn_norm.weight is missing/],
      ['llama.block_count', f32(2), /not a whole number/],
      ['llama.block_count', { type: 'array', of: 'u32', value: [2, 2] }, /differ from one another/],
      ['llama.attention.head_count', u32(0), /is 0, which cannot be/],
      ['llama.attention.head_count', u32(3), /cannot be split among 3 heads/],
      ['llama.attention.head_count_kv', u32(3), /2 heads cannot share the keys of 3/],
      ['llama.attention.head_count_kv', u32(2), /attn_k.weight is 32 × 16 where its other sizes ask for 32 × 32/],
      ['llama.embedding_length', u32(4294967295), /"llama.embedding_length"/],
      ['llama.feed_forward_length', u32(65), /ffn_gate.weight is 32 × 64/],
      ['llama.attention.layer_norm_rms_epsilon', f32(NaN), /epsilon" is NaN/],
      ['llama.rope.scaling.type', str('longrope'), /scaled by "longrope"/],
      ['llama.rope.dimension_count', u32(8), /turns 8 of 16 values/],
      ['llama.expert_count', u32(8), /mixture of experts/],
      ['split.count', u32(2), /one part of a split model/],
      ['general.alignment', u32(24), /not a power of two/],
      ['general.architecture', u32(1), /not text/],
      ['tokenizer.ggml.eos_token_id', u32(300), /"tokenizer.ggml.eos_token_id" is 300/],
      ['tokenizer.ggml.model', str('bert'), /of the kind "bert"/],
      ['tokenizer.ggml.scores', { type: 'array', of: 'f32', value: [1] }, /has 1 scores for 300 tokens/],
      ['tokenizer.ggml.tokens', { type: 'array', of: 'i32', value: [1] }, /no proper list of tokens/],
      ['tokenizer.ggml.tokens', { type: 'array', of: 'array', value: [1] }, /list of lists/],
      [
        'tokenizer.ggml.tokens',
        { type: 'array', of: 'string', value: Array<string>(300).fill('a') },
        /same token twice/,
      ],
    ]
    for (const [key, value, expected] of wrong)
      assert.match(refusal(changed((m) => (m.metadata[key] = value))), expected)
  })

  it('says which tensor does not fit, is where it should not be, or is stored in a way that cannot be read', () => {
    const second = (change: Partial<Gguf['tensors'][number]>) =>
      refusal(changed((m) => Object.assign(m.tensors[3] ?? assert.fail(), change)))
    assert.match(second({ shape: [32, 33] }), /attn_q.weight is 32 × 33 where its other sizes ask for 32 × 32/)
    assert.match(second({ shape: [2 ** 40, 2 ** 40] }), /impossible shape/)
    assert.match(second({ shape: [0, 32] }), /impossible shape/)
    assert.match(second({ shape: [2 ** 45] }), /it is cut|is not where/)
    assert.match(second({ shape: [31, 32] }), /rows of 31 values/)
    assert.match(second({ type: 4 }), /format 4/)
    assert.match(second({ type: 27, shape: [32, 32] }), /I64/)
    assert.match(second({ offset: 0 }), /not where it should be/)
    assert.match(second({ offset: 2 ** 52 }), /not where it should be/)
    assert.match(second({ name: 'token_embd.weight' }), /there twice/)
    assert.match(second({ name: 'x'.repeat(64) }), /length of a tensor's name is 64/)
    assert.match(second({ shape: [2, 2, 2, 2, 2] }), /5 dimensions/)
  })

  it('is recognised when it is something else that people download', () => {
    const others: [string, RegExp][] = [
      ['', /it is empty/],
      ['GGUF', /only 4 bytes/],
      ['<!DOCTYPE html><html><body>Sign in', /a web page/],
      ['version https://git-lfs.github.com/spec/v1\noid', /Git LFS pointer/],
      ['PK\x03\x04'.padEnd(64), /zip or PyTorch/],
      ['\x10\0\0\0\0\0\0\0{"__metadata__":{}}      ', /safetensors/],
      ['GGUF\0\0\0\x03'.padEnd(64, '\0'), /big-endian/],
      ['GGUF\x01\0\0\0'.padEnd(64, '\0'), /version 1/],
      [`GGUF\x03\0\0\0${'\xff'.repeat(16)}`, /number of tensors is 18,446/],
      ['\x7fELF'.padEnd(64), /does not begin with "GGUF"/],
    ]
    for (const [content, expected] of others) assert.match(refusal(write(Buffer.from(content, 'latin1'))), expected)
  })

  it('is refused at once when it is a folder, a device, a pipe or nothing', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    mkdirSync(join(folder, 'd.gguf'))
    for (const path of [pipe, join(folder, 'd.gguf'), '/dev/zero', '/dev/null', join(folder, 'none.gguf')])
      assert.ok(refusal(path))
  })

  it('never puts into its error what a terminal would obey', () => {
    const path = changed((m) => (m.metadata['general.architecture'] = str('\u001b[2J\u0007\u202eevil\r\n')))
    assert.match(refusal(path), /architecture "\?\[2J\?\?evil\?\?"/)
  })
})

describe('damage', () => {
  const whole = writeGguf(tinyModel())
  const headerBytes = readGguf(write(whole)).dataOffset

  it('of any byte, any number and any length of a small model is found or harmless', () => {
    const position = fc.nat(headerBytes - 9)
    const change = fc.oneof(
      fc.tuple(fc.constant('byte' as const), position, fc.bigInt(0n, 255n)),
      fc.tuple(fc.constant('u32' as const), position, fc.bigInt(0n, 0xffffffffn)),
      fc.tuple(fc.constant('u64' as const), position, fc.bigInt(0n, 0xffffffffffffffffn)),
      fc.tuple(fc.constant('cut' as const), position, fc.constant(0n)),
      fc.tuple(fc.constant('insert' as const), position, fc.bigInt(0n, 255n)),
    )
    let refused = 0
    const property = fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let bytes = Buffer.from(whole)
      for (const [what, at, value] of changes) {
        if (at + 8 > bytes.length) continue
        if (what === 'byte') bytes.writeUInt8(Number(value), at)
        else if (what === 'u32') bytes.writeUInt32LE(Number(value), at)
        else if (what === 'u64') bytes.writeBigUInt64LE(value, at)
        else if (what === 'cut') bytes = bytes.subarray(0, at)
        else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([Number(value)]), bytes.subarray(at)])
      }
      if (!survives(write(bytes))) ++refused
    })
    fc.assert(property, { numRuns: 1000 })
    assert.ok(refused > 300)
  })

  it('by cutting a small model anywhere is always found', () => {
    for (let bytes = 0; bytes < whole.length; bytes += bytes < headerBytes ? 41 : 977) {
      write(whole.subarray(0, bytes))
      refusal(file)
    }
  })

  it('by random bytes after the magic is always found', () => {
    const property = fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.boolean(), (noise, version) => {
      refusal(write(Buffer.concat([Buffer.from('GGUF'), Buffer.from(version ? [3, 0, 0, 0] : []), noise])))
    })
    fc.assert(property, { numRuns: 300 })
  })

  it('that claims absurd sizes costs neither time nor memory', () => {
    const before = process.memoryUsage().rss
    const started = performance.now()
    const huge = [2 ** 24, 2 ** 30, 2 ** 40, 2 ** 52]
    for (const count of huge) {
      for (const of of ['string', 'u8', 'f64'] as const)
        refusal(changed((m) => (m.metadata['a'] = { type: 'array', of, value: [], count })))
      const bytes = Buffer.from(whole)
      for (const at of [8, 16, 24]) bytes.writeBigUInt64LE(BigInt(count), at)
      refusal(write(bytes))
    }
    // Strings without end, all empty, in a file that has room for them.
    const many = changed((m) => (m.metadata['a'] = { type: 'array', of: 'string', value: [], count: 2 ** 30 }))
    truncateSync(many, 2 ** 34)
    refusal(many)
    assert.ok(performance.now() - started < 20_000)
    assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20)
  })
})

describe('the default model', function () {
  const real = join(modelsFolder(), smollm2.file)
  let header: Buffer

  before(function () {
    // Where it has not been pulled yet, the tests that pull it check it too.
    if (!statSync(real, { throwIfNoEntry: false })) this.skip()
    header = Buffer.alloc(readGguf(real).dataOffset)
    const fd = openSync(real, 'r')
    readSync(fd, header, 0, header.length, 0)
    closeSync(fd)
  })

  /** The real header, damaged, before as much of nothing as there are weights. */
  const damaged = (damage: (header: Buffer) => void, size: number = smollm2.bytes): string => {
    const bytes = Buffer.from(header)
    damage(bytes)
    const fd = openSync(file, 'w')
    writeSync(fd, bytes)
    ftruncateSync(fd, size)
    closeSync(fd)
    return file
  }

  it('is read, with its sizes, template and 272 tensors', () => {
    const model = readModelFile(real)
    assert.equal(model.layers, 30)
    assert.deepEqual([model.heads, model.keyHeads, model.headSize, model.embedding], [9, 3, 64, 576])
    assert.deepEqual([model.vocab, model.context, model.tensors.length], [49152, 8192, 272])
    assert.match(model.chatTemplate ?? '', /im_start/)
  })

  it('keeps its fingerprint under another name, and has another one when weights, header or length change', () => {
    const copy = join(folder, 'copy.gguf')
    copyFileSync(real, copy)
    const original = fingerprint(real)
    assert.match(original, /^[0-9a-f]{64}$/)
    assert.equal(fingerprint(copy), original)
    const fd = openSync(copy, 'r+')
    writeSync(fd, Buffer.alloc(16 << 20, 1), 0, 16 << 20, 40 << 20)
    assert.notEqual(fingerprint(copy), original)
    closeSync(fd)
    assert.notEqual(fingerprint(damaged(() => undefined)), original)
  })

  it('is refused when it is cut anywhere', () => {
    for (let i = 0; i < 60; ++i) {
      const size = Math.floor((smollm2.bytes - 1) * (i / 60) ** 3)
      assert.match(refusal(damaged(() => undefined, size)), /cut|empty|only \d+ bytes|ends in the middle/)
    }
  })

  it('with random damage is either found out or still whole', () => {
    // Half of the damage where numbers are dense: the first metadata, and the tensors at the header's end.
    const at = fc.oneof(
      fc.nat(1500),
      fc.nat(16_000).map((n) => header.length - 1 - n),
      fc.nat(header.length - 1),
    )
    const damage = fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 20 })
    const started = performance.now()
    let refused = 0
    const property = fc.property(damage, (changes) => {
      const path = damaged((bytes) => changes.forEach(([position, value]) => (bytes[position] = value)))
      if (!survives(path)) ++refused
    })
    fc.assert(property, { numRuns: 250 })
    assert.ok(refused > 80)
    assert.ok(performance.now() - started < 60_000)
  })
})
