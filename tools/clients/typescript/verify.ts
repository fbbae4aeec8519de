// Verifies the sample person by the types that openapi-typescript generates from the service's OpenAPI document.
import { readFile } from "node:fs/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./padan.js";

type FaceAnswer = components["schemas"]["FaceAnswer"];

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

const credentials = Buffer.from(`${setting("PADAN_USERNAME")}:${setting("PADAN_PASSWORD")}`).toString("base64");
const padan = createClient<paths>({
  baseUrl: setting("PADAN_URL"),
  headers: { Authorization: `Basic ${credentials}`, "x-api-key": setting("PADAN_API_KEY") },
});

const [photo, portrait] = await Promise.all(["101_s1.jpg", "101_id.jpg"].map(file => readFile(`people/images/${file}`)));
if (photo === undefined || portrait === undefined) throw new Error("no photos");
const person = { nik: "3174011403870000", name: "Budi Santoso", date_of_birth: "14-03-1987" };

// A form with the fields of a body, its photos as files.
function asForm(photos: Record<string, Buffer>) {
  return (body: Record<string, unknown>): FormData => {
    const form = new FormData();
    for (const [name, value] of Object.entries(body)) {
      const file = photos[name];
      form.set(name, file === undefined ? String(value) : new Blob([new Uint8Array(file)]));
    }
    return form;
  };
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

const byForm = await padan.POST("/identity/v1/face-verification", {
  body: { ...person, face_image: "101_s1.jpg" },
  bodySerializer: asForm({ face_image: photo }),
});
const answer: FaceAnswer | undefined = byForm.data;
check(answer?.verification_status === true, `the form: ${JSON.stringify(byForm.error)}`);
const percentage: number | null | undefined = answer?.result.face_image_percentage;
check((percentage ?? 0) >= 75, `the percentage is ${percentage}`);

const byJson = await padan.POST("/identity/v1/face-verification", {
  body: { ...person, face_image: photo.toString("base64") },
});
check(byJson.data?.verification_status === true, `JSON: ${JSON.stringify(byJson.error)}`);

const fields = await padan.POST("/identity/v1/verification", { body: { nik: person.nik, name: "Agus" } });
check(fields.data?.result.name === false, `the fields: ${JSON.stringify(fields)}`);

const match = await padan.POST("/face/v1/match", {
  body: { captured_image: photo.toString("base64"), stored_image: portrait.toString("base64") },
});
check(match.data?.result.match_status_code === "MATCH", `the match: ${JSON.stringify(match.error)}`);

const refused = await padan.POST("/identity/v1/face-verification", {
  body: { ...person, nik: "1", face_image: photo.toString("base64") },
});
check(refused.response.status === 400, `the status is ${refused.response.status}`);
check(refused.error !== undefined && "reason" in refused.error, "a refusal has a reason");
console.log(`openapi-typescript: ${JSON.stringify(answer)}`);
