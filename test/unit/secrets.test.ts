/**
 * Secrets by name and by content. Tokens are put together here from parts, so that nothing in this file looks like one
 * to the tools that scan repositories.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { secretByName, secretFolder, secretInText } from '../../extension/workspace/secrets'

const alphabet = 'aB3dE5gH7jK9mN2pQ4sT6vW8yZ1cF0xL'
/** Characters as a token has them. */
const some = (count: number, from = alphabet) => from.repeat(Math.ceil(count / from.length)).slice(0, count)
/** A part of a token. */
const cut = (part: string) => part
const begin = (kind: string) => `-----${cut('BEGIN')} ${kind}PRIVATE KEY-----`
const end = (kind: string) => `-----${cut('END')} ${kind}PRIVATE KEY-----`
const block = (kind: string, first: string, separator = '\n') =>
  [begin(kind), first + some(60), some(64), some(64), end(kind)].join(separator)

const found = async (text: string, file = 'src/a.py') => {
  const secret = await secretInText(file, text)
  return secret === undefined ? undefined : `${secret.what} (line ${secret.line})`
}

describe('secrets', () => {
  const kinds: readonly (readonly [string, string, string?])[] = [
    ['AWS access key', `id = "${'AK' + 'IA'}${some(16, 'Q7W2ER5TYZ8UXLP3')}"`],
    ['AWS secret access key', `aws_${cut('secret')}_access_key = ${some(40)}`],
    ['GitHub token', `${'gh' + 'p'}_${some(36)}`],
    ['GitHub token', `${'github' + '_pat'}_${some(82)}`],
    ['Slack token', `${'xox' + 'b'}-${some(12)}-${some(24)}`],
    ['Slack webhook', `https://hooks.${cut('slack')}.com/services/T${some(8)}/B${some(8)}/${some(24)}`],
    ['OpenAI key', `${cut('sk')}-${some(20)}T3Blbk${cut('FJ')}${some(20)}`],
    ['Anthropic key', `${cut('sk')}-ant-${cut('api03')}-${some(93)}AA`],
    ['npm token', `${cut('npm')}_${some(36)}`],
    ['npm token', `//registry.npmjs.org/:_${cut('authToken')}=${some(36)}`, '.npmrc'],
    ['npm password', `_${cut('auth')}=${some(36)}`, 'sub/.npmrc'],
    ['SendGrid key', `${cut('SG')}.${some(22)}.${some(43)}`],
    ['Shopify key', `${'shp' + 'at'}_${some(32)}`],
    ['Linear token', `${cut('lin')}_api_${some(40)}`],
    ['Google API key', `${'AI' + 'za'}${some(35)}`],
    ['Stripe key', `${cut('sk')}_live_${some(24)}`],
    ['GitLab token', `${'gl' + 'pat'}-${some(20)}`],
    ['Hugging Face token', `${'h' + 'f'}_${some(34, 'aBdEgHjKmNpQsTvWyZcFxL')}`],
    ['PyPI token', `${'py' + 'pi'}-AgEIcHlwaS5vcmc${some(80)}`],
    ['Azure storage key', `Account${cut('Key')}=${some(86)}==`],
    ['password in a URL', `https://deploy:${some(20)}@git.company.dev/x`],
    ['MongoDB password', `mongodb+srv://app:${some(12)}@cluster0.company.net/db`],
    ['PostgreSQL password', `postgresql://app:${some(12)}@db.company.net/db`],
    ['MySQL password', `mysql://app:${some(12)}@db.company.net/db`],
    ['private key', block('RSA ', 'MIIE')],
    ['private key', block('OPENSSH ', 'b3BlbnNzaC1rZXktdjEA')],
    ['private key', block('ENCRYPTED ', 'MIIE')],
    ['private key', block('PGP ', 'Version: GnuPG v2\n\nlQOY')],
    [
      'private key',
      [begin('RSA '), 'Proc-Type: 4,ENCRYPTED', 'DEK-Info: AES-128-CBC,00', '', some(64), end('RSA ')].join('\r\n'),
    ],
    ['private key', [begin(''), `MC4CAQAwBQYDK2VwBCIEI${some(43)}`, end('')].join('\n')],
    ['private key', `key = "${block('EC ', 'MIGk', '\\n')}"`],
    ['private key', block('EC ', 'MIGk', '" +\n    "')],
    ['Google Cloud key', JSON.stringify({ private_key_id: 'x', private_key: block('', 'MIIE') }), 'any.json'],
  ]
  for (const [kind, text, file] of kinds) {
    it(`in a text are found: ${kind}, ${text.replace(/\s+/g, ' ').slice(0, 24)}`, async () => {
      assert.equal(await found(text, file), `${kind} (line 1)`)
    })
  }

  it('are given with their line, whatever the ends of lines are', async () => {
    const token = `${'gh' + 'p'}_${some(36)}`
    assert.equal(await found(`a\nb\n  token = "${token}"\n`), 'GitHub token (line 3)')
    assert.equal(await found(`a\r\nb\r\n\r\n${token}\r\n`), 'GitHub token (line 4)')
  })

  it('of several the first is given', async () => {
    assert.equal(await found(`${cut('npm')}_${some(36)}\n${'gh' + 'p'}_${some(36)}\n`), 'npm token (line 1)')
  })

  const harmless: readonly string[] = [
    'postgresql://scott:tiger@localhost/test',
    `mysql://app:${some(12)}@127.0.0.1/db`,
    `https://deploy:${some(20)}@registry.example.com/x`,
    'http://user:pass@httpbin.org/get',
    'mongodb://user:pass1@host1:27017,user:pass2@host2:27017/db',
    'postgres://${user}:${password}@db.company.net/x',
    `${'gh' + 'p'}_${'x'.repeat(36)}`,
    `${'AK' + 'IA'}IOSFODNN7${cut('EXAMPLE')}`,
    `if key.startswith("${begin('RSA ')}"):`,
    `${begin('RSA ')}\n...\n${end('RSA ')}`,
    'account_id = 123456789012',
    `commit ${'0123456789abcdef'.repeat(2)}01234567`,
    `token = "${some(40)}"`,
  ]
  for (const text of harmless) {
    it(`are not seen in ${text.replace(/\s+/g, ' ').slice(0, 60)}`, async () => {
      assert.equal(await found(text), undefined)
    })
  }

  it('that are variables in .npmrc are none', async () => {
    assert.equal(
      await found('//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n_password=${SECRET}\n', '.npmrc'),
      undefined,
    )
  })

  it('are allowed by the comments of secretlint', async () => {
    const token = `${'gh' + 'p'}_${some(36)}`
    assert.equal(await found(`${token} # secretlint-disable-line`), undefined)
    assert.equal(await found(`# secretlint-disable-next-line\n${token}`), undefined)
    assert.equal(await found(`# secretlint-disable\n\n${token}\n`), undefined)
    assert.equal(await found(`# secretlint-disable\n# secretlint-enable\n${token}\n`), 'GitHub token (line 3)')
    assert.equal(await found(`# secretlint-disable-line\n${token}\n`), 'GitHub token (line 2)')
  })

  it('are found anywhere in any text, and the reason never holds their value', async () => {
    const token = `${'gh' + 'p'}_${some(36)}`
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.string()), async (before, after) => {
        const text = [...before, token, ...after].join('\n')
        const secret = await secretInText('a.txt', text)
        assert.ok(secret !== undefined)
        assert.equal(secret.line, text.slice(0, text.indexOf(token)).split('\n').length)
        assert.ok(!JSON.stringify(secret).includes(token.slice(4)))
      }),
      { numRuns: 200 },
    )
  })

  const byName =
    '.env .env.local .env.production .envrc prod.env id_rsa id_ed25519 server.pem server.key a.p12 a.pfx a.jks a.keystore putty.ppk .netrc .pgpass .htpasswd .pypirc .git-credentials credentials.json credentials client_secret_1.json service-account.json secrets.yaml terraform.tfstate .bash_history .aws/credentials home/.kube/config .docker/config.json deep/ID_RSA deep/Server.PEM'
  for (const name of byName.split(' ')) {
    it(`are what ${name} holds by its name`, () => assert.notEqual(secretByName(name), undefined))
  }

  const harmlessNames =
    '.env.example .env.sample .env.template example.env id_rsa.pub env.py environment.ts keys.py secrets.py secrets.ts credentials.py credentials.ts monkey.js config.json docker/config.json Kconfig .npmrc tokens.json publickey.ts template.pem'
  for (const name of harmlessNames.split(' ')) {
    it(`are not what ${name} holds by its name`, () => assert.equal(secretByName(name), undefined))
  }

  it('are what some folders hold', () => {
    assert.notEqual(secretFolder('home/.ssh'), undefined)
    assert.equal(secretFolder('src/ssh'), undefined)
  })
})
