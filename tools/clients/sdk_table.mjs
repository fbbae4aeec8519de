// Calls a service by the Node SDK @glair/vision, unchanged, once for each of its calls and each outcome, and checks what
// the caller sees. Prints the table, or compares it with the one in docs/clients.md.
//
//     sdk_table.mjs FOLDER SETTINGS [--check|--write]
//
// FOLDER has node_modules. SETTINGS is a JSON file with the settings of the SDK, the URLs of services with an outage, the
// credentials of other clients, and the folder of the photos.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { CALLS, cases } from "./sdk_cases.mjs";

const PAGE = "docs/clients.md";
// The fields of the form whose names differ from those of the SDK's parameters.
const FIELDS = { captured: "captured_image", stored: "stored_image" };
// The codes of refusals whose text names the photo.
const PHOTO_CODES = /^(MISSING_FIELD|IMAGE_|FACE_(?!MISMATCH)|NO_FACE$|SEVERAL_FACES|UNSUPPORTED_IMAGE)/;
const [BEGIN, END] = ["<!-- sdk table: begin -->", "<!-- sdk table: end -->"];

const [, , folder, settingsFile, mode] = process.argv;
const { sdk: settings, services, clients, inputs } = JSON.parse(readFileSync(settingsFile, "utf8"));
const from = createRequire(join(resolve(folder), "package.json"));
const { Vision, LogLevel, setLogLevel } = await import(pathToFileURL(from.resolve("@glair/vision")));
// The SDK prints each call's parameters by default.
setLogLevel(LogLevel.SILENT);

// The SDK shows its caller neither status nor headers, so they are noted on their way.
let answered = null;
const { fetch } = globalThis;
globalThis.fetch = async (...request) => {
  const answer = await fetch(...request);
  answered = { status: answer.status, code: answer.headers.get("reason-code"), retry: answer.headers.get("retry-after") };
  return answer;
};

// A body as the table shows it. The percentages of compared faces differ between processors.
function shown(body, request) {
  const text = JSON.stringify(body).replace(/(_percentage":)(?![01][,}]|null)[\d.]+/g, "$1P");
  const field = faultyField(request);
  return body.verification_status === false && field ? text.replace(new RegExp(`\\b${field}\\b(?!_)`), "FIELD") : text;
}

// The field of the photo that was made for the case.
function faultyField(request) {
  const [parameter] = Object.entries(request).find(([, value]) => value.startsWith(inputs)) ?? [];
  return FIELDS[parameter] ?? parameter;
}

// What the caller sees.
async function seen(call, request, override) {
  const vision = new Vision(settings);
  answered = { status: null, code: null, retry: null };
  try {
    return "returns " + shown(await CALLS[call].call(vision)(request, override), request);
  } catch (error) {
    if (error instanceof Error) return `throws ${error.name}: ${error.message}`;
    return "throws " + shown(error, request);
  }
}

// What the contract says about a caller's view, beside the status and the code.
function faultsOf(status, code, outcome) {
  const faults = [];
  const expect = (holds, text) => holds || faults.push(text);
  if (status === null) {
    expect(outcome.startsWith("throws FileNotFound"), `${outcome} is no error of the SDK`);
    return faults;
  }
  expect(answered.status === status, `the status is ${answered.status}, not ${status}`);
  expect(answered.code === code, `the code is ${answered.code}, not ${code}`);
  expect(outcome.startsWith(status === 200 ? "returns {" : "throws {"), `${outcome} does not follow from ${status}`);
  if (PHOTO_CODES.test(code) && status !== 200) expect(outcome.includes("FIELD"), `${outcome} does not name the photo`);
  if (status >= 400) expect(outcome.startsWith('throws {"verification_status":false,"reason":"'), outcome);
  if (status === 429) expect(Number(answered.retry) >= 1, `Retry-After is ${answered.retry}`);
  return faults;
}

async function rows() {
  const rows = new Map();
  const faults = [];
  for (const [call, request, status, code, override] of cases(inputs + "/", services, clients)) {
    const outcome = await seen(call, request, override);
    faults.push(...faultsOf(status, code, outcome).map(fault => `${call}, ${code}: ${fault}`));
    const row = `${status ?? "none"} | \`${code}\` | \`${outcome}\``;
    rows.set(row, (rows.get(row) ?? new Set()).add(call));
  }
  return { rows, faults };
}

function table(rows) {
  const all = Object.keys(CALLS).length;
  const lines = [...rows].map(([row, calls]) => {
    const names = calls.size === all ? "all" : [...calls].map(call => `\`${call}\``).join(", ");
    return `| ${names} | ${row} |`;
  });
  return ["| call | status | code | what the caller sees |", "|---|---|---|---|", ...lines].join("\n");
}

const { rows: found, faults } = await rows();
const text = table(found);
if (!mode) console.log(text);
const page = readFileSync(PAGE, "utf8");
const [before, rest] = page.split(BEGIN);
const after = rest?.split(END)[1];
if (after === undefined) throw new Error(`${PAGE} has no place for the table`);
const current = `${before}${BEGIN}\n${text}\n${END}${after}`;
if (mode === "--write") writeFileSync(PAGE, current);
if (mode === "--check" && current !== page) {
  console.log(text);
  faults.push(`the table in ${PAGE} is not current: run scripts/clients.sh --write`);
}
faults.forEach(fault => console.error(fault));
console.log(`${found.size} outcomes of ${Object.keys(CALLS).length} calls of @glair/vision, ${faults.length} faults`);
process.exitCode = faults.length ? 1 : 0;
