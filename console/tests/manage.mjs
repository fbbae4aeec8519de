// Clients, requests, people, the trail, and what each role sees.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

import { BUDI, goTo, open, SELFIE, signIn, site } from "./site.mjs";

/** Calls the service as a client, and returns the reason code, and the id under which the call is recorded. */
async function callAsClient({ username, password, apiKey }, claim = BUDI) {
  const form = new FormData();
  form.set("nik", claim.nik);
  form.set("name", claim.name);
  form.set("date_of_birth", claim.dateOfBirth);
  form.set("face_image", new Blob([readFileSync(SELFIE)]), "selfie.jpg");
  const response = await fetch(`${site.clientUrl}/identity/v1/face-verification`, {
    method: "POST",
    body: form,
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`, "x-api-key": apiKey,
    },
  });
  return { reason: response.headers.get("reason-code"), id: response.headers.get("request-id") };
}

/**
 * Waits until a call has the reason: services read changed clients up to five seconds later. Asks so seldom that the calls
 * refused until then stay within the limit of failed credentials.
 */
async function waitForReason(credentials, reason) {
  let last;
  for (let attempt = 0; attempt < 20; attempt += 1) {
    last = (await callAsClient(credentials)).reason;
    if (last === reason) return;
    await new Promise(done => setTimeout(done, 1000));
  }
  assert.fail(`a call is answered ${last}, not ${reason}`);
}

async function readSecrets(page) {
  const secrets = await page.locator("dialog .secret code").allTextContents();
  assert.equal(await page.locator("dialog").getByRole("button", { name: "Selesai" }).isDisabled(), true);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog").count(), 1, "secrets are not closed by Escape");
  await page.getByLabel("Saya sudah menyimpannya").check();
  await page.getByRole("button", { name: "Selesai" }).click();
  return secrets;
}

/** A client is added, called with, disabled, enabled, changed, gets new secrets, and is removed. */
export async function clientAddedAndUsed(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  await goTo(page, "Klien");
  await page.getByRole("button", { name: "Tambah klien" }).click();
  const dialog = page.locator("dialog");
  await dialog.getByLabel("Nama", { exact: true }).fill("bank-uji");
  await dialog.getByLabel("Permintaan per hari").fill("1000");
  await dialog.getByRole("button", { name: "Tambah klien" }).click();
  await page.getByText("Hanya ditampilkan sekali ini").waitFor();
  const [username, password, apiKey] = await readSecrets(page);
  assert.ok(!(await page.content()).includes(password), "the secrets are gone");
  const credentials = { username, password, apiKey };
  await waitForReason(credentials, "VERIFIED");

  await page.getByRole("link", { name: "bank-uji" }).click();
  await page.getByRole("heading", { level: 1, name: "bank-uji" }).waitFor();
  assert.match(await page.locator(".meter").first().textContent(), /terpakai \d+ dari 1\.000/);
  await page.locator(".chart svg").waitFor();
  await page.getByRole("button", { name: "Nonaktifkan" }).click();
  await dialog.getByRole("button", { name: "Nonaktifkan" }).click();
  await page.locator(".tag", { hasText: "Nonaktif" }).waitFor();
  await waitForReason(credentials, "FORBIDDEN");
  await page.reload();
  await page.getByRole("row").filter({ hasText: "Klien tidak diizinkan" }).first().waitFor();
  await page.getByRole("button", { name: "Aktifkan" }).click();
  await dialog.getByRole("button", { name: "Aktifkan" }).click();
  await page.locator(".tag", { hasText: /^Aktif$/ }).waitFor();

  await page.getByRole("button", { name: "Ubah batas" }).click();
  await dialog.getByLabel("Permintaan per bulan").fill("5000");
  await dialog.getByRole("button", { name: "Simpan" }).click();
  await page.getByText(/dari 5\.000/).waitFor();
  await page.getByRole("button", { name: "Rahasia baru" }).click();
  await dialog.getByLabel("Masa berlaku rahasia lama").fill("0");
  await dialog.getByRole("button", { name: "Rahasia baru" }).click();
  const [newPassword, newKey] = (await readSecrets(page)).slice(-2);
  await waitForReason({ username, password: newPassword, apiKey: newKey }, "VERIFIED");
  assert.equal((await callAsClient(credentials)).reason, "UNAUTHORIZED");

  await page.getByRole("button", { name: "Hapus" }).click();
  assert.equal(await dialog.getByRole("button", { name: "Hapus" }).isDisabled(), true, "the name has to be typed");
  await dialog.getByLabel("Ketik nama klien").fill("bank-uji");
  await dialog.getByRole("button", { name: "Hapus" }).click();
  await page.getByRole("heading", { level: 1, name: "Klien" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "bank-uji" }).count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
}

/** Requests are found by id, by person, and by client and reason; new ones come by themselves. */
export async function requestsFound(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "auditor");
  await goTo(page, "Permintaan");
  await page.getByText("Langsung").nth(1).waitFor();
  await page.locator(".live.on").waitFor();
  const live = await callAsClient(site.client);
  await page.getByRole("button", { name: live.id }).waitFor();

  const { id } = await callAsClient(site.client, { ...BUDI, name: "Siti Aminah" });
  await page.getByRole("button", { name: "Menurut ID" }).click();
  await page.getByLabel("ID permintaan").fill(id);
  await page.getByRole("button", { name: "Cari" }).click();
  await page.getByRole("button", { name: id }).click();
  const trail = page.locator("dialog article");
  await trail.first().waitFor();
  assert.match(await trail.first().textContent(), /NAME_MISMATCH/);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Menurut klien" }).click();
  await page.getByLabel("Klien").fill("load");
  await page.getByLabel("Alasan").fill("NAME_MISMATCH");
  await page.getByRole("button", { name: "Cari" }).click();
  await page.getByRole("button", { name: id }).waitFor();
  assert.equal(await page.getByRole("row").filter({ hasText: "Terverifikasi" }).count(), 0);

  await page.getByRole("button", { name: "Menurut orang" }).click();
  await page.getByLabel("NIK").fill(BUDI.nik);
  await page.getByRole("button", { name: "Cari" }).click();
  await page.getByRole("button", { name: id }).waitFor();

  await page.getByRole("button", { name: "Audit", exact: true }).click();
  await page.getByLabel("Jenis").selectOption("admin");
  await page.getByRole("button", { name: "Cari" }).click();
  await page.locator(".tag", { hasText: "Orang dicari" }).first().waitFor();
  assert.deepEqual(faults, []);
  await context.close();
}

/** An export goes on without the page, has the rows and nobody's identity number, and is removed; the trail is intact. */
export async function exported(browser) {
  const { page, context, faults } = await open(browser);
  for (let calls = 0; calls < 4; calls += 1) await callAsClient(site.client);
  await signIn(page, "auditor");
  await goTo(page, "Jejak audit");
  await page.getByLabel("NIK seseorang").fill(BUDI.nik);
  await page.getByRole("button", { name: "Mulai ekspor" }).click();
  await page.locator(".entry .tag").first().waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Unduh" }).waitFor();
  assert.match(await page.locator(".entry").nth(1).textContent(), /auditor.*satu orang/s);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Unduh" }).click();
  const file = await download;
  assert.match(file.suggestedFilename(), /^audit-[0-9a-f-]{36}\.jsonl$/);
  const lines = readFileSync(await file.path(), "utf8").trim().split("\n").map(line => JSON.parse(line));
  assert.ok(lines.length > 3, `${lines.length} rows`);
  assert.ok(!JSON.stringify(lines).includes(BUDI.nik));
  await page.getByRole("button", { name: "Hapus berkas" }).click();
  await page.getByText("Berkas sudah dihapus.").waitFor();
  assert.equal(await page.getByRole("link", { name: "Unduh" }).count(), 0);
  await page.getByRole("button", { name: "Periksa jejak audit" }).click();
  await page.locator(".tag", { hasText: "Utuh" }).first().waitFor({ timeout: 20_000 });
  assert.deepEqual(faults, []);
  await context.close();
}

/** An enrolment is started and paused, both survive a reload, an auditor only sees it, and the process finishes it. */
export async function enrolled(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  await goTo(page, "Pendaftaran");
  await page.getByRole("button", { name: "Mulai pendaftaran" }).click();
  await page.locator(".tag", { hasText: "Menunggu" }).waitFor();
  await page.getByText("Tidak ada proses yang menunggu pendaftaran").waitFor();
  await page.getByRole("button", { name: "Jeda" }).click();
  await page.locator(".tag", { hasText: "Dijeda" }).waitFor();
  await page.reload();
  await page.locator(".tag", { hasText: "Dijeda" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Mulai pendaftaran" }).count(), 0, "one at a time");
  const other = await open(browser);
  await signIn(other.page, "auditor");
  await goTo(other.page, "Pendaftaran");
  await other.page.locator(".tag", { hasText: "Dijeda" }).waitFor();
  assert.equal(await other.page.locator("main").getByRole("button").count(), 0);
  await other.context.close();
  await page.getByRole("button", { name: "Lanjutkan" }).click();
  const worker = spawn(site.program, ["enroll", "--wait", "--config", site.settings, "--failures", "/dev/null"], { stdio: "ignore" });
  try {
    await page.locator(".tag", { hasText: "Siap" }).first().waitFor({ timeout: 60_000 });
    await page.getByText(/^\d+ (dari sekitar \d+ )?orang$/).first().waitFor();
  } finally {
    worker.kill();
  }
  assert.deepEqual(faults, []);
  await context.close();
}

/** A person's rows are shown, and forgotten after a confirmation. */
export async function forgotten(browser) {
  const { page, context, faults } = await open(browser);
  await callAsClient(site.client, { nik: "3273064211940000", name: "Maria Goretti Wulandari", dateOfBirth: "02-11-1994" });
  await signIn(page, "operator");
  await goTo(page, "Orang");
  await page.getByLabel("NIK").fill("3273064211940000");
  await page.getByRole("button", { name: "Tampilkan yang tercatat" }).click();
  await page.getByRole("row").nth(1).waitFor();
  await page.getByRole("button", { name: "Lupakan orang ini" }).click();
  const confirm = page.getByRole("button", { name: "Lupakan selamanya" });
  assert.equal(await confirm.isDisabled(), true);
  await page.getByLabel("Saya sudah memastikan").check();
  await confirm.click();
  await page.getByText(/Terhapus: \d+ templat/).waitFor();
  await page.getByRole("button", { name: "Tampilkan yang tercatat" }).click();
  await page.getByText("Tidak ada baris.").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
}

/** The pages of each role. */
const PAGES = {
  support: ["Verifikasi", "Bandingkan", "Permintaan", "Kesehatan"],
  operator: ["Verifikasi", "Bandingkan", "Permintaan", "Klien", "Orang", "Jejak audit", "Pendaftaran", "Model", "Operator", "Kesehatan"],
  auditor: ["Permintaan", "Klien", "Orang", "Jejak audit", "Pendaftaran", "Model", "Kesehatan"],
};

/** A role sees its pages, is refused another one, and no button of an auditor changes anything. */
export async function rolesRefused(browser) {
  for (const [role, titles] of Object.entries(PAGES)) {
    const { page, context, faults } = await open(browser);
    await signIn(page, role);
    assert.deepEqual(await page.locator("nav li").allTextContents(), titles, role);
    const forbidden = role === "auditor" ? "verify" : role === "support" ? "clients" : "nowhere";
    await page.evaluate(name => {
      location.hash = `#/${name}`;
    }, forbidden);
    await page.getByRole("heading", { name: "Halaman tidak ada" }).waitFor();
    if (role === "auditor") {
      await goTo(page, "Klien");
      await page.getByRole("link", { name: site.knownClient }).click();
      await page.getByRole("heading", { level: 1, name: site.knownClient }).waitFor();
      assert.equal(await page.locator(".acts button").count(), 0);
    }
    assert.deepEqual(faults, []);
    await context.close();
  }
}

/** Wrong credentials, a session that the service has ended, and the sign-out. */
export async function sessions(browser) {
  const { page, context, faults } = await open(browser);
  await page.getByLabel("Akun").fill(site.accounts.operator.name);
  await page.getByLabel("Kata sandi").fill("not the password");
  await page.getByRole("button", { name: "Masuk", exact: true }).click();
  assert.match(await page.getByRole("alert").textContent(), /Nama, kata sandi, atau kode salah/);
  await signIn(page, "operator");
  const cookies = await context.cookies();
  for (const cookie of cookies) assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === "Strict", JSON.stringify(cookie));
  await page.reload();
  await page.locator("nav a[aria-current=page]").waitFor({ state: "attached" });
  // The same session is ended elsewhere, and its cookie is sent again.
  await page.getByRole("button", { name: "Keluar" }).click();
  await page.getByRole("heading", { name: "Masuk" }).waitFor();
  await signIn(page, "operator");
  const kept = await context.cookies();
  const other = await context.newPage();
  await other.goto(site.url);
  await other.getByRole("button", { name: "Keluar" }).click();
  await other.getByRole("heading", { name: "Masuk" }).waitFor();
  await context.addCookies(kept);
  await page.getByLabel("NIK").fill(BUDI.nik);
  await goTo(page, "Klien").catch(() => undefined);
  await page.getByText("Sesi Anda telah berakhir").waitFor();
  assert.ok(!(await page.content()).includes(BUDI.nik), "what was typed is gone");
  await signIn(page, "operator");
  assert.deepEqual(faults, []);
  await context.close();
}

/** Names, ids and reasons that would be markup are shown as text. */
export async function markupShownAsText(browser) {
  const MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>";
  const { page, context, faults } = await open(browser);
  // What the service would refuse is put into its answers on their way.
  let requestId = "";
  await page.route(/\/admin\/v1\/(clients|operators|health|requests\/list|requests\/search|people\/search|models|enrolments|usage)/, async route => {
    // The page asks for the id that it was given.
    const isOneRequest = route.request().url().endsWith("/requests/search");
    const response = await route.fetch(isOneRequest ? { postData: JSON.stringify({ request_id: requestId }) } : {});
    const taint = value => typeof value === "string" && !/^(ok|\d{4}-\d\d-\d\d)/.test(value) ? MARKUP
      : Array.isArray(value) ? value.map(taint)
      : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, key === "kind" ? part : taint(part)]))
      : value;
    if (!response.headers()["content-type"]?.includes("json")) return route.fulfill({ response });
    const answer = await response.json();
    requestId ||= answer.rows?.find(row => row.request_id)?.request_id ?? "";
    return route.fulfill({ response, json: taint(answer) });
  });
  await callAsClient(site.client);
  await signIn(page, "operator");
  for (const title of ["Klien", "Model", "Pendaftaran", "Kesehatan"]) {
    await goTo(page, title);
    await page.waitForTimeout(300);
    if (title !== "Pendaftaran") assert.ok((await page.locator("main").textContent()).includes(MARKUP), title);
  }
  await page.goto(`${site.url}#/clients/${encodeURIComponent(MARKUP)}`);
  await page.getByRole("heading", { name: MARKUP }).waitFor();
  await goTo(page, "Permintaan");
  await page.getByRole("button", { name: "Menurut klien" }).click();
  await page.getByRole("button", { name: "Cari" }).click();
  await page.locator(".row-link").first().click();
  await page.locator("dialog article").first().waitFor();
  assert.ok((await page.locator("dialog").textContent()).includes(MARKUP));
  assert.equal(await page.locator("main img, main script, dialog img").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
}
