// Prints like mocha's spec reporter and writes mocha's own statistics to a file, for the closing line of .ci/verify.
const { writeFileSync } = require('node:fs')
const { reporters, Runner } = require('mocha')

module.exports = class extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      writeFileSync(options.reporterOptions.output, JSON.stringify({ stats: this.stats }))
    })
  }
}
