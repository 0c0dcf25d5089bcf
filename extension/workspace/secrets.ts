/**
 * Secrets never enter the memory. A file is left out as a whole when its name says that it holds them, or when its text
 * does: secretlint's recommended rules, and a few kinds of token that they miss. What is reported is the kind and the
 * line, never the value. No ignore file re-includes such a file; secretlint's own comments in the text do.
 *
 * The rules run without `@secretlint/core`, which sets profiling marks for every file and searches all of them at each:
 * 6 ms a file for the first thousand, 109 ms for the fifth. Without it: 0.06 ms per KB of source, where a model reads a
 * KB in 300 ms; so every file is looked through in full.
 */
import path from 'node:path'

/**
 * Which rules look: what was found clean by others is looked through again. Raised with the rules below; the first part is the
 * version of secretlint's.
 */
export const secretRules = '11.7.1-1'

export interface Secret {
  readonly what: string
  readonly line: number
}

const example = /(?:^|[._-])(?:example|sample|template|tmpl|dist|defaults?)(?:[._-]|$)/i

/** Names in lower case, with what they hold. */
const secretNames: readonly (readonly [RegExp, string])[] = [
  [/^\.env(?:rc|[._-].*)?$|.\.env$/, 'environment variables'],
  [/^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$|\.(?:pem|key|ppk)$/, 'private key'],
  [/\.(?:p12|pfx|jks|keystore|bks|kdbx?|keychain)$/, 'key store'],
  [
    /^(?:\.netrc|_netrc|\.pgpass|pgpass\.conf|\.my\.cnf|\.mylogin\.cnf|\.htpasswd|\.pypirc|\.git-credentials)$/,
    'passwords',
  ],
  [
    /^(?:\.dockercfg|\.vault-token|\.boto|\.s3cfg|\.terraformrc|kubeconfig|\.kubeconfig|\.databrickscfg)$/,
    'credentials',
  ],
  [
    /^(?:credentials|(?:application_default|aws|gcp|google)[_-]credentials)(?:\.(?:json|ya?ml|toml|ini|csv|enc|xml|properties))?$/,
    'credentials',
  ],
  [/^(?:client_secret.*|service[_-]?account(?:[_-]?key)?)\.json$/, 'credentials'],
  [/^secrets\.(?:json|ya?ml|toml|ini|properties|env)$/, 'secrets'],
  [/\.tfstate(?:\.backup)?$/, "Terraform's state, which holds secrets as they are"],
  [
    /^\.(?:bash|zsh|sh|python|node_repl|psql|mysql|sqlite|rediscli)_history$|^\.lesshst$|^\.viminfo$/,
    'history of commands',
  ],
]

/** Files that hold secrets only in a folder of this name. */
const secretPaths: readonly (readonly [RegExp, string])[] = [
  [/(?:^|\/)\.aws\/(?:credentials|config)$/, 'credentials'],
  [/(?:^|\/)\.kube\/config$/, 'credentials'],
  [/(?:^|\/)\.docker\/config\.json$/, 'credentials'],
]

const secretFolders: ReadonlyMap<string, string> = new Map([
  ['.ssh', 'keys'],
  ['.gnupg', 'keys'],
  ['.password-store', 'passwords'],
])

/** What a file's name says it holds, if that is secret. Examples meant to be copied (`.env.example`) are not. */
export function secretByName(file: string): string | undefined {
  const name = path.posix.basename(file).toLowerCase()
  if (example.test(name)) return undefined
  return (
    secretNames.find(([pattern]) => pattern.test(name))?.[1] ?? secretPaths.find(([pattern]) => pattern.test(file))?.[1]
  )
}

/** The same for a folder. */
export const secretFolder = (folder: string) => secretFolders.get(path.posix.basename(folder).toLowerCase())

/** Kinds that secretlint's recommended rules do not know, each with a beginning that nothing else has. */
const moreTokens: readonly (readonly [RegExp, string])[] = [
  [/\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g, 'Google API key'],
  [/\b[sr]k_live_[A-Za-z0-9]{20,}/g, 'Stripe key'],
  [/\bglpat-[A-Za-z0-9_-]{20,}/g, 'GitLab token'],
  [/\bhf_[A-Za-z]{34}\b/g, 'Hugging Face token'],
  [/\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}/g, 'PyPI token'],
  [/\bdckr_pat_[A-Za-z0-9_-]{20,}/g, 'Docker Hub token'],
  [/\bAccountKey=[A-Za-z0-9+/]{86}==/g, 'Azure storage key'],
]

const keyMark = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----/g

/** Whether a private key's own characters follow its mark: not so in code that only speaks of the format. */
function isKeyBody(text: string): boolean {
  const body = text
    .replace(/(?:Proc-Type|DEK-Info|Version|Comment): .*/g, '')
    // What lies between when the key is a string in code, of one line or several, or in a comment.
    .replace(/\\[rn]|[\s"'`+,;.#*>|\\]/g, '')
  return /^[A-Za-z0-9/=]{40}/.test(body)
}

/** npm's older ways to sign in; secretlint knows `_authToken`. A variable (`${TOKEN}`) is no secret. */
const npmSecret = /^[^#;\n]*_(?:auth|password)[ \t]*=[ \t]*["']?(?![\s"'$])\S/m

/** What to call secretlint's findings (its messages quote the secret, so they are never shown). */
const names: Readonly<Record<string, string>> = {
  AWSAccessKeyID: 'AWS access key',
  AWSSecretAccessKey: 'AWS secret access key',
  PrivateKeyP12: 'Google Cloud key',
  PrivateKeyJSON: 'Google Cloud key',
  PackageJSON_xOauthToken: 'GitHub token',
  Npmrc_authToken: 'npm token',
  NPM_ACCESS_TOKEN: 'npm token',
  SLACK_TOKEN: 'Slack token',
  IncomingWebhook: 'Slack webhook',
  BasicAuth: 'password in a URL',
  OPENAI_TOKEN: 'OpenAI key',
  ANTHROPIC_API_KEY: 'Anthropic key',
  LINEAR_API_TOKEN: 'Linear token',
  PrivateKey: 'private key',
  SENDGRID_KEY: 'SendGrid key',
  SHOPIFY_KEY: 'Shopify key',
  GITHUB_TOKEN: 'GitHub token',
  OPS_TOKEN: '1Password token',
  MongoDBConnection: 'MongoDB password',
  MySQLConnection: 'MySQL password',
  PostgreSQLConnection: 'PostgreSQL password',
}

interface Finding {
  readonly kind: string
  readonly start: number
  readonly end: number
}

/** The first secret in a file's text. `file` decides about rules for files of one name (`.npmrc`). */
export async function secretInText(file: string, text: string): Promise<Secret | undefined> {
  const findings = [...(await secretlintFindings(file, text)), ...ownFindings(file, text)]
  const real = findings
    .sort((a, b) => a.start - b.start)
    .find(({ kind, start, end }) => !isPlaceholder(kind, text.slice(start, end)) && !isAllowed(text, start))
  if (real === undefined) return undefined
  return { what: real.kind, line: text.slice(0, real.start).split('\n').length }
}

async function secretlintFindings(file: string, text: string): Promise<Finding[]> {
  // Loaded with the first file that is read: it takes 60 ms.
  const { rules } = await import('@secretlint/secretlint-rule-preset-recommend')
  const findings: Finding[] = []
  for (const rule of rules) {
    if (rule.meta.id.endsWith('/secretlint-rule-filter-comments')) continue
    const handler = rule.create(
      {
        sharedOptions: {},
        createTranslator: () => (messageId) => ({ message: '', messageId: String(messageId), data: undefined }),
        report: ({ message, range: [start, end] }) => {
          const kind = names[message.messageId] ?? 'token'
          if (message.messageId !== 'AWSAccountID') findings.push({ kind, start, end })
        },
        ignore: () => undefined,
      },
      // Half of a pair of keys is off by default there; its other half is often in the next line, split or renamed.
      { enableIDScanRule: true },
    )
    await handler.file?.({
      content: text,
      // Of all that rules may ask of a file these use its name; positions serve the comments that are left out above.
      filePath: file,
      // Of `.p12` the rule would read the file itself, from wherever this process runs; such a file is binary anyway.
      ext: path.posix.extname(file) === '.json' ? '.json' : '',
      contentType: 'text',
    } as Parameters<typeof handler.file>[0])
  }
  return findings
}

function ownFindings(file: string, text: string): Finding[] {
  const findings: Finding[] = []
  for (const [pattern, kind] of moreTokens) {
    for (const { 0: found, index } of text.matchAll(pattern))
      findings.push({ kind, start: index, end: index + found.length })
  }
  // Secretlint passes over encrypted keys, keys in pieces, and those as short as Ed25519's.
  for (const { 0: found, index } of text.matchAll(keyMark)) {
    const end = index + found.length
    if (isKeyBody(text.slice(end, end + 600))) findings.push({ kind: 'private key', start: index, end })
  }
  const npm = path.posix.basename(file) === '.npmrc' ? npmSecret.exec(text) : null
  if (npm !== null) findings.push({ kind: 'npm password', start: npm.index, end: npm.index + npm[0].length })
  return findings
}

const placeholderWord =
  /^(?:[<[{($*]|%[a-z_({]|\.\.)|^(?:my|your|the|some|test|db)?[-_]?(?:pass(?:word|wd|phrase)?|pwd?|secret|user(?:name)?|admin|root|guest|test|example|change[-_]?me|foo|bar|baz|tiger|postgres|mysql|mongo|redis|token|x+)\d{0,4}$/i
const unreachableHost =
  /^(?:localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\]|(?:.*\.)?(?:example(?:\.(?:com|org|net))?|test|invalid|local|localhost))$/i

/**
 * Whether a finding is one of documentation or tests. Measured on celery, sqlalchemy's manner of writing
 * (`scott:tiger@localhost`) would otherwise leave out the very page that describes all settings.
 */
function isPlaceholder(kind: string, found: string): boolean {
  if (kind.endsWith('private key') || kind === 'Google Cloud key') return false
  const url = /:\/\/([^:/@\s]*):([^@/\s]*)@(\[[^\]\s]*\]|[^:/?#\s'"`,;)\]]*)/.exec(found)
  if (url !== null) {
    const [, user = '', password = '', host = ''] = url
    return password === user || placeholderWord.test(password) || unreachableHost.test(host)
  }
  // A token has many characters; `ghp_xxxxxxxx` and `AKIA0000000000000000` have few.
  return /example/i.test(found) || new Set(found.slice(-16)).size < 5
}

/** Whether the author wrote that this is no secret, in the comments that secretlint reads. */
function isAllowed(text: string, at: number): boolean {
  const lineStart = text.lastIndexOf('\n', at - 1) + 1
  const lineEnd = text.indexOf('\n', at)
  const before = text.slice(text.lastIndexOf('\n', lineStart - 2) + 1, lineStart)
  if (text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd).includes('secretlint-disable-line')) return true
  if (lineStart > 0 && before.includes('secretlint-disable-next-line')) return true
  const switches = text.slice(0, at).match(/secretlint-(?:disable(?!-line|-next-line)|enable)/g)
  return switches?.at(-1) === 'secretlint-disable'
}
