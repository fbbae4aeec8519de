// Checks the two dictionaries: both have the same keys and placeholders, no key is without use, and every reason code
// and act of the program has words. That all keys which the pages use exist is checked by the compiler.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const source = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../src");
const root = join(source, "../..");
/** Families of keys that are made from a code of the service, or from a name within the console. */
const FAMILIES = ["reason", "act", "endpoint", "field", "kind", "rule", "component", "step", "role", "job"];

const read = file => readFileSync(join(source, file), "utf8");

function readWords(language) {
  const text = read(`words/${language}.ts`) + read(`words/codes_${language}.ts`);
  const found = [...text.matchAll(/^ {2}("[^"]+"): ("(?:[^"\\]|\\.)*"),$/gm)].map(([, key, value]) => [JSON.parse(key), JSON.parse(value)]);
  const words = new Map(found);
  assert.equal(words.size, found.length, `${language}: a key is there twice`);
  return words;
}

const [english, indonesian] = [readWords("en"), readWords("id")];
assert.ok(english.size > 300, "the dictionaries are read");
assert.deepEqual([...english.keys()], [...indonesian.keys()], "both dictionaries have the same keys in the same order");
const placeholders = text => [...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();
for (const [key, text] of english) {
  assert.deepEqual(placeholders(indonesian.get(key)), placeholders(text), `the placeholders of ${key}`);
  assert.ok(text.trim() !== "" && indonesian.get(key).trim() !== "", `${key} has words`);
}

const code = readdirSync(source, { recursive: true }).filter(file => /\.tsx?$/.test(file) && !file.startsWith("words") && !file.includes("generated")).map(read).join("\n");
const literals = new Set([...code.matchAll(/"([^"\n]*)"/g)].map(([, text]) => text));
// `requests.${way}.about` and the like: any name in the place of the braces.
const patterns = [...code.matchAll(/`([\w.]*\.?\$\{\w+(?:\.\w+)*\}[\w.]*)`/g)].map(([, text]) =>
  new RegExp(`^${text.split(/\$\{[^}]*\}/).map(part => part.replace(/\./g, "\\.")).join("\\w+")}$`)).filter(pattern => String(pattern).includes("\\."));
const unused = [...english.keys()].filter(key => !literals.has(key) && !FAMILIES.includes(key.split(".")[0]) && !patterns.some(pattern => pattern.test(key)));
assert.deepEqual(unused, [], "keys without use");

const rust = (file, pattern) => [...readFileSync(join(root, file), "utf8").matchAll(pattern)].map(([, name]) => name);
const NEVER_RECORDED = new Set(["OK", "UNAUTHORIZED", "NOT_FOUND", "METHOD_NOT_ALLOWED", "HEADERS_TOO_LARGE", "TOO_MANY_FAILURES"]);
const reasons = rust("crates/domain/src/reason_code.rs", /^ {4}\w+ => "([A-Z_]+)"/gm).filter(reason => !NEVER_RECORDED.has(reason));
assert.ok(reasons.length > 40);
for (const reason of reasons) assert.ok(english.has(`reason.${reason}`), `no words for the reason ${reason}`);
for (const act of rust("crates/store/src/administration/act.rs", /=> "([A-Z_]+)",/g)) assert.ok(english.has(`act.${act}`), `no words for the act ${act}`);
for (const rule of rust("crates/domain/src/person_name/rules.rs", /^ {4}\w+ => "([a-z_]+)"/gm)) assert.ok(english.has(`rule.${rule}`), `no words for the rule ${rule}`);
for (const field of rust("crates/domain/src/basic_field.rs", /^ {4}\w+ => "([a-z_]+)"/gm)) assert.ok(english.has(`field.${field}`), `no words for the field ${field}`);
console.log(`${english.size} words in two languages`);
