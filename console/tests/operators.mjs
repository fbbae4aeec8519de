// Operators who manage others, and sign-ins with a one-time code.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";

import { findOverlaps, findViolations, goTo, open, signIn, site } from "./site.mjs";

/** The one-time code of RFC 6238 for a secret in base32, `steps` of 30 seconds from now. */
function codeOf(secret, steps = 0) {
  const bits = [...secret].map(letter => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const digest = createHmac("sha1", key).update(counter).digest();
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, "0");
}

const padan = (...words) => execFileSync(site.program, [...words, "--config", site.settings], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

async function typeAccount(page, name, password) {
  await page.getByLabel("Akun").fill(name);
  await page.getByLabel("Kata sandi").fill(password);
  await page.getByRole("button", { name: "Masuk", exact: true }).click();
}

async function typeCode(page, code) {
  await page.getByLabel("Kode").fill(code);
  await page.getByRole("button", { name: "Masuk", exact: true }).click();
}

const isSignedIn = page => page.locator("nav a[aria-current=page]").waitFor({ state: "attached" });

async function signOut(page) {
  await page.getByRole("button", { name: "Keluar", exact: true }).click();
  await page.getByRole("heading", { name: "Masuk" }).waitFor();
}

/** A code is asked for; a wrong one is refused, the right one counts, and it counts once. */
export async function oneTimeCode(browser) {
  const { page, context, faults } = await open(browser);
  const { password } = site.accounts.operator;
  const { name, secret } = site.accounts.withCode;
  await typeAccount(page, name, password);
  await page.getByText("Masukkan juga kode").waitFor();
  assert.deepEqual(await findViolations(page), []);
  assert.equal(await page.evaluate(() => document.activeElement.name), "code", "the code is typed at once");
  const wrong = codeOf(secret, 500) === codeOf(secret) ? "000000" : codeOf(secret, 500);
  await typeCode(page, wrong);
  await page.getByRole("alert").getByText("kode salah").waitFor();
  const right = codeOf(secret);
  await typeCode(page, right);
  await isSignedIn(page);
  await signOut(page);
  await typeAccount(page, name, password);
  await page.getByText("Masukkan juga kode").waitFor();
  await typeCode(page, right);
  await page.getByRole("alert").getByText("kode salah").waitFor();
  await typeCode(page, codeOf(secret, 1));
  await isSignedIn(page);
  assert.deepEqual(faults, []);
  await context.close();
}

async function readSecrets(page) {
  const secrets = await page.locator("dialog .secret code").allTextContents();
  await page.getByLabel("Saya sudah menyimpannya").check();
  await page.getByRole("button", { name: "Selesai" }).click();
  return secrets;
}

const rowOf = (page, name) => page.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });

/** An operator adds another one, who signs in with the secrets shown; then it is changed, signed out, renewed and disabled. */
export async function operatorAddedAndStopped(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  await goTo(page, "Operator");
  const dialog = page.locator("dialog");
  await page.getByRole("button", { name: "Tambah operator" }).click();
  await dialog.getByLabel("Nama", { exact: true }).fill("dewi");
  await dialog.getByLabel("Peran").selectOption("auditor");
  assert.deepEqual([await findViolations(page), await findOverlaps(page)], [[], []]);
  await dialog.getByRole("button", { name: "Tambah operator" }).click();
  await page.getByText("Hanya ditampilkan sekali ini").waitFor();
  assert.deepEqual([await findViolations(page), await findOverlaps(page)], [[], []]);
  const [token, password, secret, address] = await readSecrets(page);
  assert.equal(token.length, 64);
  assert.ok(address.startsWith("otpauth://totp/Padan:dewi?secret="));
  assert.ok(!(await page.content()).includes(password), "the secrets are gone");
  assert.match(await rowOf(page, "dewi").textContent(), /Auditor.*Lokal.*Aktif.*Kata sandi dan kode sekali pakai.*–.*0/);

  const other = await open(browser);
  await typeAccount(other.page, "dewi", password);
  await other.page.getByText("Masukkan juga kode").waitFor();
  await typeCode(other.page, codeOf(secret));
  await isSignedIn(other.page);
  assert.equal(await other.page.getByRole("navigation").getByRole("link", { name: "Operator" }).count(), 0);

  await page.reload();
  await rowOf(page, "dewi").getByRole("button").click();
  await dialog.getByText("Terakhir masuk").waitFor();
  assert.deepEqual([await findViolations(page), await findOverlaps(page)], [[], []]);
  await dialog.getByRole("button", { name: "Ubah peran" }).click();
  await dialog.getByLabel("Peran").selectOption("support");
  await dialog.getByRole("button", { name: "Simpan" }).click();
  await dialog.getByText("Peran telah diubah.").waitFor();
  await dialog.getByRole("button", { name: "Akhiri semua sesi" }).click();
  await dialog.getByText("dikeluarkan di mana pun").waitFor();
  await dialog.getByRole("button", { name: "Akhiri semua sesi" }).click();
  await dialog.getByText("Sesinya telah berakhir.").waitFor();
  await other.page.reload();
  await other.page.getByRole("heading", { name: "Masuk" }).waitFor();

  await dialog.getByRole("button", { name: "Rahasia baru" }).click();
  await dialog.getByLabel("Kata sandi baru").check();
  await dialog.getByRole("button", { name: "Rahasia baru" }).click();
  await page.getByText("Hanya ditampilkan sekali ini").waitFor();
  const [newPassword] = await readSecrets(page);
  await typeAccount(other.page, "dewi", password);
  await other.page.getByRole("alert").getByText("kata sandi, atau kode salah").waitFor();
  await rowOf(page, "dewi").getByRole("button").click();
  await dialog.getByRole("button", { name: "Nonaktifkan" }).click();
  await dialog.getByRole("button", { name: "Nonaktifkan" }).click();
  await dialog.locator(".tag", { hasText: "Nonaktif" }).waitFor();
  await page.keyboard.press("Escape");
  await typeAccount(other.page, "dewi", newPassword);
  await other.page.getByRole("alert").getByText("kata sandi, atau kode salah").waitFor();
  assert.deepEqual([faults, other.faults], [[], []]);
  await other.context.close();
  await context.close();
}

/** Nobody changes the own account; where it is not set, nobody gives rights; and the command ends the sessions of anybody. */
export async function operatorsOwnAccount(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  await goTo(page, "Operator");
  const dialog = page.locator("dialog");
  await rowOf(page, "operator").getByRole("button").click();
  await dialog.getByText("Tidak seorang pun mengubah akunnya sendiri").waitFor();
  assert.deepEqual(await dialog.locator(".acts button").allTextContents(), ["Akhiri semua sesi"]);
  await page.keyboard.press("Escape");

  // The second service does not permit it.
  const other = await open(browser);
  await signIn(other.page, "operator", site.urlWithoutRegistry);
  await goTo(other.page, "Operator");
  await other.page.getByText("dilakukan dengan perintah padan operator").waitFor();
  assert.equal(await other.page.getByRole("button", { name: "Tambah operator" }).count(), 0);
  await rowOf(other.page, "auditor").getByRole("button").click();
  await other.page.locator("dialog").getByText("Terakhir masuk").waitFor();
  const offered = await other.page.locator("dialog .acts button").allTextContents();
  assert.deepEqual(offered.filter(text => text !== "Akhiri semua sesi"), ["Nonaktifkan"]);
  await other.context.close();

  padan("operator", "end-sessions", "operator", "--yes");
  await page.reload();
  await page.getByRole("heading", { name: "Masuk" }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
}
