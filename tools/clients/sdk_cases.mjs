// What scripts/clients.sh asks through the SDK, and what has to come back: each of the SDK's calls with each outcome that
// a caller can bring about. A case is [call, what it sends, status, Reason-Code]; the status is null if nothing is sent.

const BUDI = "3174011403870000";
const images = "people/images/";

// A face verification or basic verification of Budi, with other values for some fields.
const budi = changes => ({
  nik: BUDI, name: "Budi Santoso", date_of_birth: "14-03-1987", face_image: images + "101_s1.jpg", ...changes,
});
// Maria, whose attempts the limits of failed attempts count.
const maria = changes => ({
  nik: "3273064211940000", name: "Maria Goretti Wulandari", date_of_birth: "02-11-1994", face_image: images + "101_s1.jpg",
  ...changes,
});
const pair = changes => ({ captured: images + "101_s1.jpg", stored: images + "101_id.jpg", ...changes });

// The faults of a photo: the file of `inputs`, the status and the code.
const PHOTO_FAULTS = [
  ["empty.jpg", 400, "MISSING_FIELD"],
  ["cut.jpg", 400, "IMAGE_UNREADABLE"],
  ["large.jpg", 400, "IMAGE_TOO_LARGE"],
  ["half.jpg", 400, "FACE_COVERED"],
  ["small.jpg", 400, "FACE_TOO_SMALL"],
  ["blurred.jpg", 400, "FACE_BLURRED"],
  ["dark.jpg", 400, "FACE_TOO_DARK"],
  ["bright.jpg", 400, "FACE_TOO_BRIGHT"],
  ["tilted.jpg", 400, "FACE_TURNED"],
  ["huge.jpg", 413, "BODY_TOO_LARGE"],
  ["gif.jpg", 415, "UNSUPPORTED_IMAGE"],
];
// Passive liveness does not judge the quality of a photo.
const LIVENESS_FAULTS = ["MISSING_FIELD", "IMAGE_UNREADABLE", "IMAGE_TOO_LARGE", "BODY_TOO_LARGE", "UNSUPPORTED_IMAGE"];

// The calls of the SDK that Padan serves, and a request of each that succeeds.
export const CALLS = {
  faceVerification: { call: vision => vision.identity.faceVerification.bind(vision.identity), good: budi() },
  verification: { call: vision => vision.identity.verification.bind(vision.identity), good: budi() },
  match: { call: vision => vision.faceBio.match.bind(vision.faceBio), good: pair() },
  passiveLiveness: {
    call: vision => vision.faceBio.passiveLiveness.bind(vision.faceBio), good: { image: images + "101_s1.jpg" },
  },
};

function judged(inputs) {
  const texts = [
    [budi(), "VERIFIED"],
    [budi({ nik: "3174011403870099" }), "NIK_NOT_FOUND"],
    [budi({ nik: "3201011106030000" }), "NIK_DECEASED"],
    [budi({ nik: "6171026404920000" }), "NIK_DUPLICATE"],
    [budi({ nik: "3101010101900000" }), "NIK_INACTIVE"],
    [budi({ name: "Agus" }), "NAME_MISMATCH"],
    [budi({ date_of_birth: "15-03-1987" }), "DOB_MISMATCH"],
  ];
  const badTexts = [
    [budi({ nik: "317401140387000" }), "INVALID_NIK"],
    [budi({ name: "" }), "INVALID_NAME"],
    [budi({ date_of_birth: "1987-03-14" }), "INVALID_DOB"],
  ];
  return [
    ...texts.map(([request, code]) => ["faceVerification", request, 200, code]),
    ["faceVerification", budi({ nik: "3101010202910000" }), 200, "NO_REFERENCE_PHOTO"],
    ["faceVerification", budi({ face_image: images + "118_s1.jpg" }), 200, "FACE_MISMATCH"],
    ...texts.map(([request, code]) => ["verification", request, 200, code]),
    ["match", pair(), 200, "MATCH"],
    ["match", pair({ captured: images + "118_s1.jpg" }), 200, "NOT_MATCH"],
    ["match", pair({ captured: inputs + "no_face.jpg" }), 200, "NO_FACE_CAPTURED_IMG"],
    ["match", pair({ stored: inputs + "no_face.jpg" }), 200, "NO_FACE_STORED_IMG"],
    ["match", pair({ captured: inputs + "two_faces.jpg" }), 200, "MANY_FACES_CAPTURED_IMG"],
    ["match", pair({ stored: inputs + "two_faces.jpg" }), 200, "MANY_FACES_STORED_IMG"],
    ["passiveLiveness", { image: inputs + "blue.jpg" }, 200, "SPOOF_LOW"],
    ["passiveLiveness", { image: inputs + "half_blue.jpg" }, 200, "SPOOF_MODERATE"],
    ["passiveLiveness", { image: inputs + "not_blue.jpg" }, 200, "SPOOF_HIGH"],
    ["passiveLiveness", { image: inputs + "no_face.jpg" }, 200, "FACE_NOT_DETECTED"],
    ["passiveLiveness", { image: inputs + "two_faces.jpg" }, 200, "TOO_MANY_FACES_DETECTED"],
    ...["faceVerification", "verification"].flatMap(call =>
      badTexts.map(([request, code]) => [call, request, 400, code])),
  ];
}

function faultyPhotos(inputs) {
  const faults = PHOTO_FAULTS.map(([file, ...outcome]) => [inputs + file, ...outcome]);
  return [
    ["faceVerification", budi({ face_image: inputs + "no_face.jpg" }), 400, "NO_FACE"],
    ["faceVerification", budi({ face_image: inputs + "two_faces.jpg" }), 400, "SEVERAL_FACES"],
    ...faults.map(([file, ...outcome]) => ["faceVerification", budi({ face_image: file }), ...outcome]),
    ...faults.map(([file, ...outcome]) => ["match", pair({ captured: file }), ...outcome]),
    ...faults.map(([file, ...outcome]) => ["match", pair({ stored: file }), ...outcome]),
    ...faults.filter(([, , code]) => LIVENESS_FAULTS.includes(code))
      .map(([file, ...outcome]) => ["passiveLiveness", { image: file }, ...outcome]),
  ];
}

// The same request of every call as another client, or to another service. `settings` are settings of the SDK.
const everyCall = (settings, status, code) => Object.entries(CALLS).map(([call, { good }]) =>
  [call, good, status, code, settings]);

// `inputs` is the folder of tools/clients/make_inputs.py, `services` has the URLs of services with an outage, `clients` the
// credentials of other clients.
export function cases(inputs, services, clients) {
  const missing = { face_image: "missing.jpg", captured: "missing.jpg", image: "missing.jpg" };
  return [
    ...judged(inputs),
    ...faultyPhotos(inputs),
    ...everyCall({ apiKey: "wrong" }, 401, "UNAUTHORIZED"),
    ...everyCall(clients.forbidden, 403, "FORBIDDEN"),
    ...everyCall({ apiVersion: "v9" }, 404, "NOT_FOUND"),
    // The first call uses up what these two clients may do.
    ["match", pair(), 200, "MATCH", clients.limited],
    ...everyCall(clients.limited, 429, "RATE_LIMITED"),
    ["match", pair(), 200, "MATCH", clients.spent],
    ...everyCall(clients.spent, 429, "QUOTA_EXCEEDED"),
    ...Array(3).fill(["faceVerification", maria(), 200, "FACE_MISMATCH"]),
    ["faceVerification", maria(), 429, "TOO_MANY_FAILED_FACES"],
    ...Array(20).fill(["verification", maria({ name: "Agus" }), 200, "NAME_MISMATCH"]),
    ["verification", maria(), 429, "TOO_MANY_FAILED_FIELDS"],
    ["faceVerification", maria(), 429, "TOO_MANY_FAILED_FIELDS"],
    ["faceVerification", budi(), 503, "REGISTRY_UNAVAILABLE", { baseUrl: services.withoutRegistry }],
    ["verification", budi(), 503, "REGISTRY_UNAVAILABLE", { baseUrl: services.withoutRegistry }],
    ...everyCall({ baseUrl: services.withoutStore }, 503, "STORE_UNAVAILABLE"),
    ...["faceVerification", "match", "passiveLiveness"].map(call =>
      [call, { ...CALLS[call].good, ...missing }, null, "FileNotFound"]),
  ];
}
