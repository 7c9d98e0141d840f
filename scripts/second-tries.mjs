// A reporter for CI: writes the name of each test that passed or failed only at its second try into a
// file beside the JSON report, a line each.

import { writeFileSync } from 'node:fs';

// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by its default export.
export default class SecondTries {
  #report;
  #names = [];

  onInit({ config }) {
    this.#report = config.outputFile?.json;
  }

  onTestCaseResult(test) {
    if ((test.diagnostic()?.retryCount ?? 0) > 0) this.#names.push(test.fullName);
  }

  onTestRunEnd() {
    if (this.#names.length === 0 || this.#report === undefined) return;
    const lines = this.#names.map((name) => `${name}\n`).join('');
    writeFileSync(this.#report.replace(/\.json$/, '.second-tries'), lines);
  }
}
