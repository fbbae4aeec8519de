// Asks for every test person and every test photo of the sandbox by the Node SDK @glair/vision, unchanged, as a sandbox
// client. Checks status, Reason-Code and the header Sandbox of each answer, and that no metric but those of the sandbox
// moves. The table of the sandbox is read from the service's OpenAPI document.
//
//     sdk_sandbox.mjs FOLDER SETTINGS
//
// FOLDER has node_modules. SETTINGS is a JSON file with the settings of the SDK (`sandbox`), the URL of the metrics
// (`metrics`) and the folder with a photo of each size, such as 64x142.png (`inputs`).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [, , folder, settingsFile] = process.argv;
const { sandbox: settings, metrics: metricsUrl, inputs } = JSON.parse(readFileSync(settingsFile, "utf8"));
const from = createRequire(join(resolve(folder), "package.json"));
const { Vision, LogLevel, setLogLevel } = await import(pathToFileURL(from.resolve("@glair/vision")));
// The SDK prints each call's parameters by default.
setLogLevel(LogLevel.SILENT);

// The SDK shows its caller neither status nor headers, so they are noted on their way.
let answered = null;
const { fetch } = globalThis;
globalThis.fetch = async (...request) => {
  const answer = await fetch(...request);
  const { headers } = answer;
  answered = { status: answer.status, code: headers.get("reason-code"), sandbox: headers.get("sandbox") };
  return answer;
};

const anyPhoto = join(inputs, "64x100.png");
const person = nik => ({ nik, name: "Siti Contoh", date_of_birth: "17-08-1990" });
const vision = new Vision(settings);

// How the SDK calls each endpoint for a line of the table. `nik` and `photo` are what chooses the answer.
const CALLS = {
  "face-verification": ({ nik }) => vision.identity.faceVerification({ ...person(nik), face_image: anyPhoto }),
  "verification": ({ nik }) => vision.identity.verification(person(nik)),
  "face-match": ({ photo }) => vision.faceBio.match({ captured: photo, stored: anyPhoto }),
  "passive-liveness": ({ photo }) => vision.faceBio.passiveLiveness({ image: photo }),
};

// The SDK sends no further field, so nothing differs.
const codeFor = code => code === "FIELD_MISMATCH" ? "VERIFIED" : code;

// The lines of the table in the description of the OpenAPI document.
async function testCases() {
  const document = await (await fetch(`${settings.baseUrl}/openapi.json`)).json();
  const lines = document.info.description.split("\n").filter(line => /^\| (`\d{16}`|-) \|/.test(line));
  return lines.map(line => {
    const [nik, size, code, status, endpoints] = line.split("|").slice(1, -1).map(cell => cell.trim().replaceAll("`", ""));
    return {
      nik, photo: join(inputs, `${size}.png`), code, status: Number(status),
      endpoints: endpoints === "all" ? Object.keys(CALLS) : endpoints.split(", "),
    };
  });
}

// Families that move without a request: of the databases' pools, the audit trail, the process and its connections.
const OF_THE_PROCESS = /^(#|process_|padan_db_pool|padan_audit|padan_http_connections|padan_ready|padan_templates|padan_sandbox_)/;

// The values of the metrics that no request of the sandbox may change.
async function otherMetrics() {
  const text = await (await fetch(metricsUrl)).text();
  return text.split("\n").filter(line => line && !OF_THE_PROCESS.test(line));
}

const faults = [];
const cases = await testCases();
const before = await otherMetrics();
let calls = 0;
for (const { endpoints, status, code, ...chosen } of cases) {
  for (const endpoint of endpoints) {
    answered = null;
    calls += 1;
    const outcome = await CALLS[endpoint](chosen).then(() => "returns", error =>
      error instanceof Error ? `throws ${error.name}: ${error.message}` : "throws");
    const expected = { status, code: codeFor(code), sandbox: "true" };
    if (JSON.stringify(answered) !== JSON.stringify(expected) || outcome !== (status === 200 ? "returns" : "throws")) {
      faults.push(`${endpoint} ${code}: ${outcome} after ${JSON.stringify(answered)}, not ${JSON.stringify(expected)}`);
    }
  }
}
if (cases.length < 30) faults.push(`the OpenAPI document has ${cases.length} lines of the table`);
const moved = (await otherMetrics()).filter((line, index) => line !== before[index]);
faults.push(...moved.map(line => `a metric moved: ${line}`));
faults.forEach(fault => console.error(fault));
console.log(`${calls} calls of @glair/vision for ${cases.length} test people and photos of the sandbox, ${faults.length} faults`);
process.exitCode = faults.length ? 1 : 0;
