// The curl command for a request. It takes the secrets from the environment, so that it can be shown and shared.

const JSON_TYPE = "application/json";

// A word for a POSIX shell.
function quoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

// A file of a form, whose name curl would otherwise end at a comma or semicolon.
function formFile(name, file) {
  return quoted(`${name}=@"${file.replace(/[\\"]/g, "\\$&")}"`);
}

function formArguments(fields) {
  return fields.map(({ name, text, file }) => file === undefined
    ? "--form-string " + quoted(`${name}=${text}`)
    : "--form " + formFile(name, file.name));
}

// The command that prints the JSON body, with each photo in base64.
function printJson(fields) {
  const forPrintf = text => text.replaceAll("\\", "\\\\").replaceAll("%", "%%");
  const members = fields.map(({ name, text, file }) =>
    forPrintf(JSON.stringify(name)) + ":" + (file === undefined ? forPrintf(JSON.stringify(text)) : '"%s"'));
  const photos = fields.filter(({ file }) => file !== undefined)
    .map(({ file }) => ` "$(base64 < ${quoted(file.name)} | tr -d '\\n')"`);
  return `printf ${quoted("{" + members.join(",") + "}")}${photos.join("")}`;
}

// `fields` are { name, text } or { name, file }, in the order in which they are sent.
export function curlCommand(url, media, fields) {
  const common = [
    'curl --include --user "$PADAN_USERNAME:$PADAN_PASSWORD"',
    '--header "x-api-key: $PADAN_API_KEY"',
  ];
  if (media === JSON_TYPE) {
    const call = [...common, `--header ${quoted("Content-Type: " + JSON_TYPE)}`, "--data-binary @-", quoted(url)];
    return printJson(fields) + " |\n" + call.join(" \\\n     ");
  }
  const form = fields.length ? formArguments(fields) : ["--form-string " + quoted("empty=")];
  return [...common, ...form, quoted(url)].join(" \\\n     ");
}
