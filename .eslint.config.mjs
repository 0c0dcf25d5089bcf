import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['out/**', 'native/**', 'test/fixtures/**', 'coverage/**', '**/*.mjs', '**/*.cjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  // Layers (design.md): the core never sees VS Code, the protocol imports nothing.
  {
    files: ['extension/{recall,answer,workspace,engine,cli}/**/*.ts', 'extension/cli.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: ['vscode'], patterns: ['**/views/**'] }] },
  },
  // Pages see the protocol and what is pure of the core; they run in a browser.
  {
    files: ['media/**/*.{ts,tsx}'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['node:*', '**/extension/{engine,workspace,views}/**'] }] },
  },
  {
    files: ['extension/protocol/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['../*', 'vscode', 'node:*'] }] },
  },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-non-null-assertion': 'off' } },
)
