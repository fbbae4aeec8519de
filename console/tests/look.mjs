// How the pages look and read: both languages, light and dark, three widths, the keyboard, axe-core, and pictures of them.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { addresses, assertNothingKept, BUDI, findOverlaps, findViolations, goTo, open, SELFIE, signIn, site } from "./site.mjs";

/** Colours do not change the layout, so that each width is looked at once. */
const LOOKS = [["light", 1440], ["light", 768], ["light", 360], ["dark", 1440], ["dark", 360]];

/** The pages of an operator, and the name of their picture. */
const PAGES = [
  ["Bandingkan", "compare"], ["Permintaan", "requests"], ["Klien", "clients"], ["Orang", "people"], ["Jejak audit", "trail"],
  ["Pendaftaran", "enrolment"], ["Model", "models"], ["Operator", "operators"], ["Kesehatan", "health"],
];

async function fillIn(page) {
  await page.getByLabel("NIK").fill(BUDI.nik);
  await page.getByLabel("Nama").fill(BUDI.name);
  await page.getByLabel("Tanggal lahir").fill(BUDI.dateOfBirth);
  await page.locator("input[type=file]").setInputFiles(SELFIE);
  await page.getByRole("button", { name: "Verifikasi", exact: true }).click();
  await page.locator(".outcome").waitFor();
  await page.locator(".overlay").waitFor();
}

/** Checks what is shown now, and keeps a picture of it if the run asks for pictures. */
async function look(page, name, scheme, width, faults) {
  await page.evaluate(() => scrollTo(0, 0));
  for (const fault of [...await findOverlaps(page), ...await findViolations(page)]) faults.push(`${name}, ${scheme}, ${width} pixels: ${fault}`);
  if (site.pictures) await page.screenshot({ path: join(site.pictures, `${name}-${scheme}-${width}.png`), fullPage: true, animations: "disabled" });
}

async function lookAtAll(browser, colorScheme, width, found) {
  const { page, context, faults } = await open(browser, { colorScheme, viewport: { width, height: 900 } });
  await look(page, "sign-in", colorScheme, width, found);
  await signIn(page, "operator");
  await fillIn(page);
  await look(page, "verify", colorScheme, width, found);
  for (const [title, name] of PAGES) {
    await goTo(page, title);
    if (name === "requests") {
      await page.getByRole("button", { name: "Menurut klien" }).click();
      await page.getByRole("button", { name: "Cari" }).click();
      await page.locator(".row-link").first().waitFor();
    } else {
      await page.waitForLoadState("networkidle");
    }
    if (name === "health") {
      // What was measured on the people is in a table that is closed at first.
      await page.locator("main details").nth(1).waitFor();
      for (const summary of await page.locator("main summary").all()) await summary.click();
    }
    await look(page, name, colorScheme, width, found);
    if (name === "models") {
      await page.getByRole("button", { name: "Aktifkan", exact: true }).first().click();
      await page.locator("dialog .message").first().waitFor();
      await look(page, "model-activate", colorScheme, width, found);
      await page.keyboard.press("Escape");
    }
    if (name === "requests") {
      await page.locator(".row-link").first().click();
      await page.locator("dialog article").first().waitFor();
      await look(page, "request", colorScheme, width, found);
      await page.keyboard.press("Escape");
    }
    if (name === "operators") {
      await page.getByRole("button", { name: "Tambah operator" }).click();
      await look(page, "operator-add", colorScheme, width, found);
      await page.keyboard.press("Escape");
      await page.locator(".row-link").first().click();
      await page.locator("dialog .acts").waitFor();
      await look(page, "operator", colorScheme, width, found);
      await page.keyboard.press("Escape");
    }
    if (name === "clients") {
      await page.getByRole("button", { name: "Tambah klien" }).click();
      await look(page, "client-add", colorScheme, width, found);
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: site.knownClient }).click();
      await page.locator(".chart svg").waitFor();
      await look(page, "client", colorScheme, width, found);
    }
  }
  assert.deepEqual(faults, []);
  await context.close();
}

/** Every page in light and dark at each width. All faults are shown, not only the first one. */
export async function everyPage(browser) {
  const faults = [];
  for (const [scheme, width] of LOOKS) await lookAtAll(browser, scheme, width, faults);
  assert.deepEqual([...new Set(faults)], []);
}

/** The switches of language and appearance work, and are kept over a reload. */
export async function switches(browser) {
  const { page, context, faults } = await open(browser, { colorScheme: "light" });
  await signIn(page, "operator");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  // The page is drawn after the click, and after the reload.
  const isDark = () => page.waitForFunction((before) => getComputedStyle(document.body).backgroundColor !== before, light);
  await page.getByRole("button", { name: "Gelap" }).click();
  await isDark();
  await page.getByRole("button", { name: "EN English" }).click();
  await page.getByRole("heading", { level: 1, name: "Verify" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Verify" }).waitFor();
  await isDark();
  for (const title of ["Compare", "Requests", "Clients", "People", "Audit trail", "Enrolment", "Models", "Operators", "Health"]) await goTo(page, title);
  const words = await page.locator("body").textContent();
  assert.ok(!/Kesehatan|Permintaan|Basis data/.test(words));
  await page.getByRole("button", { name: "ID Bahasa Indonesia" }).click();
  await page.getByRole("heading", { level: 1, name: "Kesehatan" }).waitFor();
  await assertNothingKept(page);
  assert.deepEqual(faults, []);
  await context.close();
}

/** From the address to a verified answer by the keyboard alone, with the steps counted. */
export async function keyboardAlone(browser) {
  const started = Date.now();
  const { page, context, faults } = await open(browser);
  let steps = 1;
  const step = async action => {
    steps += 1;
    await action;
  };
  const { name, password } = site.accounts.operator;
  await step(page.keyboard.type(name));
  await page.keyboard.press("Tab");
  await step(page.keyboard.type(password));
  await step(page.keyboard.press("Enter"));
  await page.locator("nav a[aria-current=page]").waitFor({ state: "attached" });
  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Ke isi halaman/, "the first stop leads to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  for (const value of [BUDI.nik, BUDI.name, BUDI.dateOfBirth]) {
    await page.keyboard.press("Tab");
    await step(page.keyboard.type(value));
  }
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.type), "file");
  await step(page.locator(":focus").setInputFiles(SELFIE));
  await page.locator(".photo img").waitFor();
  for (let stops = 0; stops < 6; stops += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.matches("button.main"))) break;
  }
  await step(page.keyboard.press("Enter"));
  assert.equal(await page.locator(".outcome code").textContent(), "VERIFIED");
  console.log(`    ${steps} steps and ${((Date.now() - started) / 1000).toFixed(1)} s from the address to a verified answer`);
  assert.deepEqual(faults, []);
  await context.close();
}

/** The trail of a request on paper shows the dialog alone. */
export async function printed(browser) {
  const { page, context } = await open(browser);
  await signIn(page, "operator");
  await fillIn(page);
  await page.getByRole("button", { name: "Tampilkan jejaknya" }).click();
  await page.locator("dialog article").first().waitFor();
  await page.emulateMedia({ media: "print" });
  const visible = await page.evaluate(() => ["nav", ".bar", "dialog article", "dialog header button"].map(selector => document.querySelector(selector).checkVisibility()));
  assert.deepEqual(visible, [false, false, true, false]);
  if (site.pictures) await page.screenshot({ path: join(site.pictures, "request-printed.png"), fullPage: true });
  await context.close();
}

/** After all that was done: no personal data in addresses, in the browser, or in the service's log. */
export async function nothingPersonalLeft(browser) {
  const personal = [BUDI.nik, "3273064211940000", "Budi", "Maria", "14-03-1987", "Siti"];
  const seen = [...addresses].filter(address => !address.startsWith("data:") && !address.startsWith("blob:"));
  assert.ok(seen.length > 10);
  for (const address of seen) for (const value of personal) assert.ok(!decodeURIComponent(address).includes(value), address);
  const { page, context } = await open(browser);
  await signIn(page, "operator");
  await fillIn(page);
  await assertNothingKept(page);
  await context.close();
  if (!site.log || !existsSync(site.log)) return;
  const log = readFileSync(site.log, "utf8");
  assert.ok(log.includes("verifyByHand"), "the log is read");
  for (const value of personal) assert.ok(!log.includes(value), `the log has ${value}`);
}
