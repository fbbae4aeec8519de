// Uses the console in a headless Chromium, as support staff, operators and auditors do.
//
//     browser.mjs SITE CHROMIUM [CASE...]
//
// SITE is a JSON file: { url, urlWithoutRegistry, clientUrl, client: { username, password, apiKey }, knownClient, log,
// program, settings, servicePid, provider, accounts: { support, operator, auditor: { name, password }, withCode: { name, secret } }, pictures }. With
// `pictures`, a folder, pictures of all pages are written into it. CASE selects cases by name.
import { chromium } from "playwright-core";

import * as look from "./look.mjs";
import * as manage from "./manage.mjs";
import * as operators from "./operators.mjs";
import * as providerSignIn from "./provider_sign_in.mjs";
import * as verify from "./verify.mjs";

const [, , , executablePath, ...chosen] = process.argv;
const CASES = {
  ...manage, ...operators, ...verify, ...providerSignIn, ...look,
  // At last, since it reads what the others have left.
  nothingPersonalLeft: look.nothingPersonalLeft,
};
// Chromium shows a test picture in the place of a camera.
const args = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
const browser = await chromium.launch({ executablePath, args });
const failed = [];
try {
  for (const [name, run] of Object.entries(CASES)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const started = Date.now();
    try {
      await run(browser);
      console.log(`  ok      ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed.push(name);
      console.log(`  FAILED  ${name}: ${error.stack ?? error}`);
      for (const context of browser.contexts()) await context.close();
    }
  }
} finally {
  await browser.close();
}
if (failed.length > 0) {
  console.log(`failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}
