// Verifications and comparisons by hand, as a user does them.
import assert from "node:assert/strict";

import { BUDI, goTo, makePhotos, open, SELFIE, signIn, site, STRANGER } from "./site.mjs";

/** Fills in the form and sends it, and returns the code of the outcome. */
async function verify(page, claim, photo) {
  await page.getByLabel("NIK").fill(claim.nik);
  await page.getByLabel("Nama").fill(claim.name);
  await page.getByLabel("Tanggal lahir").fill(claim.dateOfBirth);
  await page.locator("input[type=file]").setInputFiles(photo);
  await page.getByRole("button", { name: "Verifikasi", exact: true }).click();
  return page.locator(".outcome code").textContent({ timeout: 20_000 });
}

/** Each outcome with what the person claims and the photo that leads to it. */
function outcomes(photos) {
  const claims = [
    ["VERIFIED", {}, SELFIE], ["VERIFIED", { nik: "3174 0114 0387 0000", dateOfBirth: "14/3/1987" }, SELFIE],
    ["NIK_NOT_FOUND", { nik: "3174011403870009" }, SELFIE], ["NAME_MISMATCH", { name: "Siti Aminah" }, SELFIE],
    ["DOB_MISMATCH", { dateOfBirth: "15-03-1987" }, SELFIE], ["FACE_MISMATCH", {}, STRANGER],
    ["NIK_DECEASED", { nik: "3101010101900001" }, SELFIE], ["NIK_DUPLICATE", { nik: "3101010101900002" }, SELFIE],
    ["NIK_INACTIVE", { nik: "3101010101900003" }, SELFIE], ["NO_REFERENCE_PHOTO", { nik: "3101010101900004" }, SELFIE],
    ["INVALID_NIK", { nik: "123" }, SELFIE], ["INVALID_DOB", { dateOfBirth: "31-02-1990" }, SELFIE],
    ["INVALID_NAME", { name: "---" }, SELFIE],
  ];
  return [...claims, ...Object.entries(photos).map(([reason, photo]) => [reason, {}, photo])];
}

export async function everyOutcome(browser) {
  const photos = await makePhotos(browser);
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  for (const [reason, part, photo] of outcomes(photos)) {
    assert.equal(await verify(page, { ...BUDI, ...part }, photo), reason, JSON.stringify(part));
    assert.ok(await page.locator(".advice p").first().textContent(), `${reason}: words for the person`);
    assert.ok(await page.evaluate(() => document.activeElement.classList.contains("outcome")), `${reason}: the focus is at the outcome`);
  }
  assert.deepEqual(faults, []);
  await context.close();
}

export async function verifiedInFull(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  assert.equal(await verify(page, BUDI, SELFIE), "VERIFIED");
  const shown = await page.locator(".gauge-value .number").textContent();
  assert.match(shown, /^9\d,\d\d %$/);
  assert.match(await page.locator(".gauge").textContent(), /Pada batas lulus 75 %1 dari [\d.]+/);
  assert.equal(await page.locator(".overlay circle").count(), 5, "five landmarks");
  // The box lies within the photo, around its middle.
  const { photo, box } = await page.evaluate(() => Object.fromEntries([["photo", ".photo img"], ["box", ".overlay .box"]]
    .map(([name, selector]) => [name, document.querySelector(selector).getBoundingClientRect().toJSON()])));
  assert.ok(box.left > photo.left && box.right < photo.right && box.top > photo.top && box.bottom < photo.bottom, JSON.stringify({ photo, box }));
  assert.equal(await page.getByRole("row").filter({ hasText: "Nama" }).getByText("Cocok").count(), 1);
  assert.ok(await page.locator(".steps .step").count() >= 3, "the time by step");
  await page.getByRole("button", { name: "Tampilkan jejaknya" }).click();
  await page.locator("dialog article").waitFor();
  assert.match(await page.locator("dialog").textContent(), /VERIFIED/);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Tampilkan jejaknya", "the focus comes back");
  assert.deepEqual(faults, []);
  await context.close();
}

/** An operator sees both faces when the role may and asks for it; support staff is not asked. */
export async function facesShown(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  assert.equal(await verify(page, BUDI, SELFIE), "VERIFIED");
  assert.equal(await page.locator(".faces").count(), 0, "no face without the choice");
  await page.getByLabel("Tampilkan kedua wajah").check();
  const answered = page.waitForResponse("**/admin/v1/verifications*");
  assert.equal(await verify(page, BUDI, SELFIE), "VERIFIED");
  const answer = await (await answered).json();
  const sizes = await page.locator(".faces img").evaluateAll(images => images.map(image => [image.naturalWidth, image.naturalHeight]));
  assert.deepEqual(sizes, [[112, 112], [112, 112]]);
  assert.equal(await verify(page, { ...BUDI, name: "Siti Aminah" }, SELFIE), "NAME_MISMATCH");
  assert.equal(await page.locator(".faces").count(), 0, "no portrait of somebody whose name is not known");
  // The registry fails before the portrait is read again: a test of the program has the service's answer.
  const faces = { probe: null, reference: null, fault: "REGISTRY_UNAVAILABLE" };
  await page.route("**/admin/v1/verifications*", route => route.fulfill({ json: { ...answer, faces } }));
  assert.equal(await verify(page, BUDI, SELFIE), "VERIFIED");
  await page.getByText("Kedua wajah tidak dapat ditampilkan sekarang").waitFor();
  assert.equal(await page.locator(".faces img").count(), 0);
  await page.unroute("**/admin/v1/verifications*");
  await goTo(page, "Bandingkan");
  await page.getByLabel("Tampilkan kedua wajah").check();
  const files = page.locator("input[type=file]");
  await files.nth(0).setInputFiles(SELFIE);
  await files.nth(1).setInputFiles(STRANGER);
  await page.getByRole("button", { name: "Bandingkan", exact: true }).click();
  await page.locator(".faces img").nth(1).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
  const other = await open(browser);
  await signIn(other.page, "support");
  assert.equal(await other.page.getByLabel("Tampilkan kedua wajah").count(), 0);
  await other.context.close();
}

/** A photo is dropped onto the form, and no photo is said so. */
export async function droppedPhoto(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  await page.getByLabel("NIK").fill(BUDI.nik);
  await page.getByLabel("Nama").fill(BUDI.name);
  await page.getByLabel("Tanggal lahir").fill(BUDI.dateOfBirth);
  await page.getByRole("button", { name: "Verifikasi", exact: true }).click();
  assert.match(await page.getByRole("alert").textContent(), /Pilih foto/);
  const files = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    const canvas = Object.assign(document.createElement("canvas"), { width: 300, height: 300 });
    return new Promise(done => canvas.toBlob(blob => {
      transfer.items.add(new File([blob], "drop.png", { type: "image/png" }));
      done(transfer);
    }));
  });
  await page.locator(".drop").dispatchEvent("drop", { dataTransfer: files });
  await page.locator(".photo img").waitFor();
  await page.getByRole("button", { name: "Verifikasi", exact: true }).click();
  assert.equal(await page.locator(".outcome code").textContent(), "NO_FACE");
  assert.deepEqual(faults, []);
  await context.close();
}

export async function compared(browser) {
  const { page, context, faults } = await open(browser);
  await signIn(page, "operator");
  await goTo(page, "Bandingkan");
  for (const [photo, reason] of [[SELFIE, "MATCH"], [STRANGER, "NOT_MATCH"]]) {
    await page.locator("input[type=file]").nth(0).setInputFiles(photo);
    await page.locator("input[type=file]").nth(1).setInputFiles(SELFIE.replace("s1", "id"));
    await page.locator("form").getByRole("button", { name: "Bandingkan" }).click();
    assert.equal(await page.locator(".outcome code").textContent(), reason);
    assert.equal(await page.locator(".overlay .box").count(), 2);
  }
  assert.deepEqual(faults, []);
  await context.close();
}

/** Without a permission the camera says so; with a camera the photo is taken, here of a test picture without a face. */
export async function camera(browser) {
  const denied = await open(browser);
  await signIn(denied.page, "operator");
  await denied.page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
  });
  await denied.page.getByRole("button", { name: "Kamera" }).click();
  assert.match(await denied.page.locator("dialog").getByRole("alert").textContent(), /tidak mengizinkan kamera/);
  await denied.page.keyboard.press("Escape");
  assert.equal(await denied.page.locator("dialog").count(), 0);
  assert.deepEqual(denied.faults, []);
  await denied.context.close();

  const { page, context, faults } = await open(browser, { permissions: ["camera"] });
  await signIn(page, "operator");
  await page.getByRole("button", { name: "Kamera" }).click();
  await page.getByRole("button", { name: "Ambil foto" }).click();
  await page.locator(".photo img").waitFor();
  assert.equal(await page.locator("dialog").count(), 0);
  assert.equal(await verify(page, BUDI, SELFIE), "VERIFIED");
  assert.deepEqual(faults, []);
  await context.close();
}

/** The registry does not answer: the outcome says so, as a client would get it. */
export async function withoutRegistry(browser) {
  const { page, context } = await open(browser);
  await signIn(page, "operator", site.urlWithoutRegistry);
  assert.equal(await verify(page, BUDI, SELFIE), "REGISTRY_UNAVAILABLE");
  await context.close();
}

/** A form that was sent while the service is down says so, keeps what was typed, and works again afterwards. */
export async function serviceDown(browser) {
  const { page, context } = await open(browser);
  await signIn(page, "operator");
  await page.getByLabel("NIK").fill(BUDI.nik);
  process.kill(site.servicePid, "SIGSTOP");
  try {
    await page.evaluate(() => {
      AbortSignal.timeout = () => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), 1500);
        return controller.signal;
      };
    });
    await page.getByLabel("Nama").fill(BUDI.name);
    await page.getByLabel("Tanggal lahir").fill(BUDI.dateOfBirth);
    await page.locator("input[type=file]").setInputFiles(SELFIE);
    await page.getByRole("button", { name: "Verifikasi", exact: true }).click();
    assert.match(await page.getByRole("alert").textContent(), /Layanan tidak menjawab/);
    assert.equal(await page.getByLabel("NIK").inputValue(), BUDI.nik);
  } finally {
    process.kill(site.servicePid, "SIGCONT");
  }
  assert.equal(await verify(page, BUDI, SELFIE), "VERIFIED");
  await context.setOffline(true);
  await goTo(page, "Kesehatan");
  assert.match(await page.getByRole("alert").textContent(), /Layanan tidak menjawab/);
  await context.setOffline(false);
  await page.getByRole("button", { name: "Coba lagi" }).click();
  await page.getByRole("heading", { name: "Basis data" }).waitFor();
  await context.close();
}
