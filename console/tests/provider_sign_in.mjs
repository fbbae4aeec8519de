// The sign-in through a provider: console/tests/provider.mjs.
import assert from "node:assert/strict";

import { findOverlaps, findViolations, open, site } from "./site.mjs";

/** Signs in at the provider's own pages, which ask for a name and for permission. */
async function signInAtProvider(page, name) {
  await page.getByRole("button", { name: /Masuk dengan Bank|Sign in with Bank/ }).click();
  // An alert of an earlier attempt is on the page until then.
  await page.waitForURL(url => url.origin === site.provider);
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL(url => url.href.startsWith(site.url));
}

/** Signs out here, then at the provider, which asks for a confirmation and leads back. */
async function signOutAtProvider(page) {
  await page.getByRole("button", { name: "Keluar" }).click();
  await page.waitForURL(url => url.href.startsWith(`${site.provider}/session/end`));
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
  await page.waitForURL(url => url.href.startsWith(site.url));
  await page.getByRole("heading", { name: "Masuk" }).waitFor();
}

/** What the provider's own pages ask for elsewhere. It is not let through. */
const FONTS = "https://fonts.googleapis.com/";

async function openToLeave(browser, options) {
  const opened = await open(browser, options);
  await opened.context.route(`${FONTS}**`, route => route.abort());
  return opened;
}

/** Faults beside the requests of the provider's pages. */
const ownFaults = faults => faults.filter(fault => !fault.startsWith(site.provider) && !fault.startsWith(FONTS));

/** Somebody with a group gets its role, sees what it permits, and signs out. */
export async function providerSignIn(browser) {
  const { page, context, faults } = await openToLeave(browser);
  assert.deepEqual(await findViolations(page), []);
  await signInAtProvider(page, "auditor-rina");
  await page.getByText("auditor-rina of the bank").waitFor();
  assert.equal(new URL(page.url()).search, "", "the code does not stay in the address");
  await page.getByRole("navigation").getByRole("link", { name: "Jejak audit" }).waitFor();
  assert.equal(await page.getByRole("navigation").getByRole("link", { name: "Verifikasi", exact: true }).count(), 0);
  for (const cookie of await context.cookies(site.url)) {
    if (cookie.name.startsWith("__Host-padan")) assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === "Strict", JSON.stringify(cookie));
  }
  await page.reload();
  await page.getByText("auditor-rina of the bank").waitFor();
  await signOutAtProvider(page);
  await page.reload();
  await page.getByRole("heading", { name: "Masuk" }).waitFor();
  assert.ok(!(await context.cookies(site.url)).some(cookie => cookie.name === "__Host-padan-session"));
  // The provider does not know the person any more: it asks for a name again.
  await signInAtProvider(page, "support-budi");
  await page.getByText("support-budi of the bank").waitFor();
  assert.deepEqual(ownFaults(faults), []);
  await context.close();
}

/** Somebody without a group is told so, in both languages, and nobody is signed in. */
export async function providerWithoutGroup(browser) {
  for (const [locale, words] of [["id-ID", "tidak satu pun grup Anda"], ["en-GB", "none of your groups"]]) {
    const { page, context, faults } = await openToLeave(browser, { locale, viewport: { width: 360, height: 740 } });
    await signInAtProvider(page, "somebody");
    await page.getByRole("alert").getByText(words).waitFor();
    assert.deepEqual(await findViolations(page), []);
    assert.deepEqual(await findOverlaps(page), []);
    assert.ok(!(await context.cookies()).some(cookie => cookie.name === "__Host-padan-session"));
    assert.deepEqual(ownFaults(faults), []);
    await context.close();
  }
}

/** An answer that another browser asked for signs nobody in, and ends no session. */
export async function providerAnswerOfOthers(browser) {
  const other = await openToLeave(browser);
  let brought = "";
  other.page.on("request", request => {
    if (request.url().startsWith(`${site.url}?`)) brought = request.url();
  });
  // What the browser brought back is not used there.
  await other.page.route("**/admin/v1/session/provider", route => route.abort());
  await signInAtProvider(other.page, "operator-eve");
  assert.match(brought, /[?&]code=/);
  await other.context.close();

  const { page, context, faults } = await openToLeave(browser);
  await page.goto(brought);
  await page.getByRole("alert").getByText("dimulai di peramban lain").waitFor();
  await signInAtProvider(page, "auditor-rina");
  await page.getByText("auditor-rina of the bank").waitFor();
  await page.goto(brought);
  await page.getByText("auditor-rina of the bank").waitFor();
  assert.deepEqual(ownFaults(faults), []);
  await context.close();
}
