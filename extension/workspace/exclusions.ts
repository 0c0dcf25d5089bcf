/**
 * What is not worth a model's time although no ignore file says so: dependencies, caches, lock files, media, generated
 * and minified code. By name these are rules in the syntax of ignore files, so that `!node_modules/` in a
 * `.longreadignore` takes one back; by content they are decided when a file has been read.
 */
import { parseRules, type RuleList } from './ignore-rules'

/** Files above this size are not read: 1 MiB, some 300,000 tokens, is five minutes of reading and never source code. */
export const defaultMaxFileBytes = 1024 * 1024

/** The same for formats that hold data, where size says nothing about worth. */
export const maxDataBytes = 128 * 1024

const builtIn = (what: string, patterns: string): RuleList =>
  parseRules(Buffer.from(patterns.trim().split(/\s+/).join('\n')), what, '')

const extensions = (names: string) =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `*.${name} *.${name.toUpperCase()}`)
    .join(' ')

/** Rules by name. People are told the list's reason and the rule. */
export const builtInRules: readonly RuleList[] = [
  // `venv/` and `virtualenv/` are not named here: they are also packages of Python. folderMarks knows the real ones.
  builtIn(
    'dependencies',
    `node_modules/ bower_components/ jspm_packages/ site-packages/ .venv/ .eggs/ **/vendor/bundle/ .bundle/ Pods/
     **/Carthage/Build/ **/Carthage/Checkouts/ elm-stuff/ .pnpm-store/ **/.yarn/cache/ **/.yarn/releases/ **/.yarn/unplugged/
     .pnp.cjs .pnp.loader.mjs`,
  ),
  builtIn(
    'build cache',
    `__pycache__/ .tox/ .nox/ .mypy_cache/ .pytest_cache/ .ruff_cache/ .hypothesis/ .ipynb_checkpoints/ *.egg-info/ htmlcov/
     .nyc_output/ .gradle/ .terraform/ .next/ .nuxt/ .svelte-kit/ .angular/ .parcel-cache/ .turbo/ .cache/ .dart_tool/
     DerivedData/ CMakeFiles/ .stack-work/ dist-newstyle/ _build/ .serverless/ *.tsbuildinfo .eslintcache`,
  ),
  builtIn('state of an editor or desktop', '.idea/ .vs/ .history/ .DS_Store Thumbs.db *.swp *.swo *.orig *.rej *.bak'),
  builtIn(
    'lock file',
    `package-lock.json npm-shrinkwrap.json pnpm-lock.yaml *.lock bun.lockb go.sum go.work.sum Package.resolved
     Cartfile.resolved packages.lock.json project.assets.json gradle.lockfile .terraform.lock.hcl conda-lock.yml`,
  ),
  builtIn('minified', '*.min.js *.min.mjs *.min.cjs *.min.css *-min.js *-min.css *.bundle.js *.chunk.js'),
  builtIn('source map', '*.js.map *.mjs.map *.cjs.map *.css.map *.ts.map'),
  builtIn(
    'generated',
    `*.pb.go *.pb.cc *.pb.h *.pb.c *_pb2.py *_pb2.pyi *_pb2_grpc.py *_pb.js *_pb.d.ts *_grpc_pb.js *.g.dart *.freezed.dart
     *.designer.cs *.Designer.cs *.g.cs *.generated.* *.snap`,
  ),
  builtIn('translation catalogue', extensions('po pot mo xlf xliff arb resx')),
  builtIn(
    'image',
    extensions('png jpg jpeg gif bmp ico icns webp avif tif tiff heic psd ai eps svg svgz xcf raw cur dds tga hdr exr'),
  ),
  builtIn(
    'sound or video',
    extensions('mp3 wav ogg oga flac m4a aac opus mid midi mp4 m4v mov avi mkv webm wmv flv mpg mpeg'),
  ),
  builtIn('font', extensions('ttf otf woff woff2 eot')),
  builtIn(
    'archive',
    extensions(
      'zip tar gz tgz bz2 tbz xz txz zst lz4 lzma 7z rar jar war ear whl egg gem nupkg deb rpm dmg iso apk aab ipa vsix crx xpi',
    ),
  ),
  builtIn(
    'compiled',
    extensions(`o obj a lib so dll dylib exe pdb ilk pyc pyo pyd class dex wasm bc elc beam hi gch pch node rlib rmeta bin
      img efi sys ko`),
  ),
  builtIn('document', extensions('pdf doc docx xls xlsx xlsm ppt pptx odt ods odp rtf epub mobi djvu')),
  builtIn(
    'data',
    extensions(`sqlite sqlite3 db db3 mdb accdb parquet avro orc feather arrow npy npz pkl pickle joblib h5 hdf5 mat rds rdata
      gguf ggml safetensors onnx pt pth ckpt tflite pb tfrecord bson ldb sst lmdb mmdb shp dbf fbx blend glb stl usdz pcap
      log dump`),
  ),
]

/** Folders of version control. They hold no source, and are entered under no rule. */
export const versionControl: ReadonlySet<string> = new Set([
  '.git',
  '.hg',
  '.svn',
  '.jj',
  '.sl',
  '.bzr',
  '_darcs',
  '.pijul',
  'CVS',
])

/** Files that mark the folder they lie in as something that can be made again, whatever it is called. */
export const folderMarks: ReadonlyMap<string, string> = new Map([
  ['CACHEDIR.TAG', 'build cache'],
  ['pyvenv.cfg', 'dependencies'],
  ['CMakeCache.txt', 'build cache'],
])

/** A folder `vendor` is someone's own code unless a package manager filled it. */
export const vendorMarks: ReadonlySet<string> = new Set(['modules.txt', 'autoload.php'])

const dataFormat = /\.(?:json|jsonl|ndjson|json5|geojson|topojson|csv|tsv|psv|xml|plist)$/i

/** Why a file is too big to be read, if it is. One that someone asked for may be as big as code. */
export function oversized(file: string, size: number, maxFileBytes: number, wanted: boolean): string | undefined {
  if (size > maxFileBytes) return `larger than ${bytes(maxFileBytes)} (${bytes(size)})`
  const limit = Math.min(maxFileBytes, maxDataBytes)
  if (!wanted && size > limit && dataFormat.test(file)) return `data larger than ${bytes(limit)} (${bytes(size)})`
  return undefined
}

function bytes(count: number): string {
  if (count < 1024) return `${count} bytes`
  const mebibytes = count / 1024 / 1024
  return mebibytes < 1 ? `${Math.round(count / 1024)} KiB` : `${mebibytes.toFixed(1).replace(/\.0$/, '')} MiB`
}

/** What tools write at the head of what they make. Whole phrases: a generator's own source must not match by one word. */
const generatedMarks: readonly RegExp[] = [
  /@generated\b/,
  /\bCode generated\b.*\bDO NOT EDIT\b/i,
  /\bDO NOT (?:EDIT|MODIFY|CHANGE)\b/,
  /\b(?:auto(?:matically)?[- ]?generated|generated (?:by|from|with|using))\b.*\bdo not (?:edit|modify|change)\b/i,
  /\bdo not (?:edit|modify|change)\b.*\b(?:auto(?:matically)?[- ]?generated|generated (?:by|from|with|using))\b/i,
  /\bThis (?:file|code|class|module) (?:is|was|has been) (?:auto(?:matically)?[- ]?)generated\b/i,
  /^Generated by (?:the protocol buffer compiler|Cython|CoffeeScript|PEG\.js|Haxe|ANTLR|Unity|the gRPC|swagger|openapi|GraphQL)/i,
  /^Autogenerated by (?:Thrift|Avro)/i,
  /^A Bison parser, made by GNU Bison/,
  /^A lexical scanner generated by flex/i,
]

const commentLeader = /^\s*(?:\/\/+!?|\/\*+!?|\*+|#+!?|--+|;+|%+|<!--|\{-|\(\*|"""|'''|'|@?rem\b|dnl\b)\s?/i

/** Lines at the top of a file in which a mark counts, as in linguist. */
const headLines = 40

/** Code that may stand before the comment that matters; anything else ends the head of a file. */
const preamble = /^\s*(?:$|<\?|<!|\{\s*$|["']use strict|package\b|syntax\b|option\b|@charset|%YAML|---)/

/** The line (from 1) of the comment at the top of a file that says a tool wrote it. Only comments before code count. */
export function generatedMark(text: string): number | undefined {
  let start = 0
  /** What ends the comment that the line lies in; empty outside of one. */
  let block = ''
  let previous = ''
  for (let line = 1; line <= headLines && start < text.length; line++) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const whole = text.slice(start, Math.min(end, start + 400))
    start = end + 1
    const leader = commentLeader.exec(whole)?.[0]
    const comment = leader !== undefined || block !== ''
    // A generator holds such marks in its strings, further down.
    if (!comment && !preamble.test(whole)) return undefined
    if (block !== '') block = whole.includes(block) ? '' : block
    else if (leader !== undefined) block = blockEnd(whole, leader.trim())
    const content = comment ? whole.slice(leader?.length ?? 0).trim() : ''
    // A sentence may run over two lines.
    if (comment && generatedMarks.some((mark) => mark.test(content) || mark.test(`${previous} ${content}`))) return line
    previous = content
  }
  return undefined
}

/** What ends the comment that begins on this line; empty where it ends with the line. */
function blockEnd(line: string, leader: string): string {
  const opened = [
    ['/*', '*/'],
    ['<!--', '-->'],
    ['"""', '"""'],
    ["'''", "'''"],
  ].find(([opening]) => opening !== undefined && leader.startsWith(opening))
  const [opening, closing] = opened ?? []
  if (opening === undefined || closing === undefined) return ''
  return line.includes(closing, line.indexOf(opening) + opening.length) ? '' : closing
}

const prose = /\.(?:md|mdx|markdown|rst|txt|adoc|tex|org)$/i
const squeezable = /\.(?:js|mjs|cjs|css)$/i

/** Whether the lines are too long to have been written by a person, and how. */
export function minified(file: string, text: string): string | undefined {
  // A notebook's outputs are long lines that are never read.
  if (/\.ipynb$/i.test(file) || text.length < 2000) return undefined
  let lines = 0
  let longest = 0
  let inLong = 0
  for (let start = 0; start < text.length; lines++) {
    const newline = text.indexOf('\n', start)
    const length = (newline < 0 ? text.length : newline) - start
    longest = Math.max(longest, length)
    if (length > 1000) inLong += length
    start += length + 1
  }
  // Linguist's bound for scripts and styles; people who write stay below 60.
  const mean = text.length / lines
  if (squeezable.test(file) && mean > 110) return `lines of ${Math.round(mean)} characters on average`
  if (inLong > text.length * 0.8 && (!prose.test(file) || longest > 20_000)) return `one line of ${longest} characters`
  return undefined
}
