// Bundles what the extension runs: the host's side, the engine process with its handlers, and the panel's script and style.
// Each lies three folders deep, as the compiled files do, so that paths to the package's root hold for both.
const { build } = require('esbuild')

const shared = { bundle: true, minify: true, legalComments: 'linked', logLevel: 'warning', outdir: 'out/bundle' }

const node = {
  ...shared,
  entryPoints: {
    'extension/main': 'extension/main.ts',
    'extension/process': 'extension/engine/process.ts',
    'extension/handlers': 'extension/engine/handlers.ts',
    'extension/cutting-thread': 'extension/recall/cutting-thread.ts',
    // The command: VS Code starts `longread mcp` from it.
    'extension/cli': 'extension/cli.ts',
  },
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Loaded by their paths: see .vscodeignore.
  external: ['vscode', 'web-tree-sitter', '@vscode/tree-sitter-wasm', '@node-llama-cpp/*'],
  keepNames: true,
}

const browser = {
  ...shared,
  entryPoints: { 'chat/main': 'media/chat/main.tsx' },
  platform: 'browser',
  format: 'iife',
  target: 'chrome128',
  loader: { '.ttf': 'file' },
  assetNames: 'chat/[name]',
  tsconfig: 'media/tsconfig.json',
}

Promise.all([build(node), build(browser)]).catch(() => process.exit(1))
