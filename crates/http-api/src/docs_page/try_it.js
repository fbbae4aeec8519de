// Forms that send requests. What is entered stays in the inputs of this page: nothing is stored, and the browser is
// asked not to remember it.
import { curlCommand } from "./docs-curl.js";
import { element, inline } from "./docs-elements.js";

const JSON_TYPE = "application/json";

const secrets = {
  username: secretInput("username", "text"),
  password: secretInput("password", "password"),
  key: secretInput("api-key", "password"),
};

function secretInput(id, type) {
  return element("input", { id, type, autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
}

export function credentialsForm() {
  const field = (label, input) => element("div", { class: "field" }, element("label", { for: input.id }, label), input);
  const form = element("form", { autocomplete: "off" }, element("fieldset", {},
    element("legend", {}, "Credentials for trying"),
    element("div", { class: "fields" }, field("User name", secrets.username), field("Password", secrets.password),
      field("API key", secrets.key)),
    element("p", { class: "hint" },
      "They stay in the memory of this page until you close or reload it, and go only to this service.")));
  form.addEventListener("submit", event => event.preventDefault());
  return form;
}

// The headers with the credentials, those that were entered.
function credentialHeaders() {
  const headers = {};
  const [username, password] = [secrets.username.value, secrets.password.value];
  if (username || password) {
    const bytes = new TextEncoder().encode(`${username}:${password}`);
    headers.Authorization = "Basic " + btoa(String.fromCharCode(...bytes));
  }
  if (secrets.key.value) headers["x-api-key"] = secrets.key.value;
  return headers;
}

// A file's bytes in base64.
function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

async function bodyOf(media, fields) {
  if (media === JSON_TYPE) {
    const members = fields.map(async ({ name, text, file }) => [name, file === undefined ? text : await base64Of(file)]);
    return JSON.stringify(Object.fromEntries(await Promise.all(members)));
  }
  const form = new FormData();
  for (const { name, text, file } of fields) form.append(name, file ?? text);
  return form;
}

class TryIt {
  constructor(path, operation, forms) {
    this.id = operation.operationId;
    this.url = new URL(path.slice(1), document.baseURI).href;
    this.media = Object.keys(forms);
    // The fields of all forms are the same; the first one knows which of them are files.
    const [form] = Object.values(forms);
    this.required = new Set(form.required || []);
    this.inputs = Object.entries(form.properties || {}).map(([name, schema]) => ({ name, schema, ...this.field(name, schema) }));
    this.send = element("button", { type: "submit", class: "main" }, "Send");
    this.cancel = element("button", { type: "button", disabled: "" }, "Cancel");
    this.outcome = element("p", { class: "outcome", role: "status" });
    this.answer = element("div", {});
    this.command = element("pre", { class: "command", tabindex: "0", "aria-labelledby": this.id + "-command" });
    this.running = null;
  }

  field(name, schema) {
    const id = `${this.id}-${name}`;
    const isFile = schema.format === "binary";
    const attributes = { id, type: isFile ? "file" : "text", autocomplete: "off", "aria-describedby": id + "-hint" };
    if (isFile) attributes.accept = "image/jpeg,image/png";
    const input = element("input", attributes);
    const mark = this.required.has(name) ? element("span", { class: "required" }, " required") : "";
    return { input, isFile, node: element("div", { class: "field" },
      element("label", { for: id }, name, mark), input,
      element("p", { class: "hint", id: id + "-hint" }, ...inline(schema.description))) };
  }

  element() {
    const required = this.inputs.filter(({ name }) => this.required.has(name));
    const optional = this.inputs.filter(({ name }) => !this.required.has(name));
    const samples = this.inputs.filter(({ schema }) => schema.examples);
    const fill = element("button", { type: "button" }, "Fill in the demo's person");
    fill.addEventListener("click", () => {
      for (const { input, schema } of samples) input.value = schema.examples[0];
      this.showCommand();
    });
    this.cancel.addEventListener("click", () => this.running?.abort());
    const form = element("form", { class: "try", novalidate: "", autocomplete: "off", "aria-label": "Try " + this.url },
      element("div", { class: "fields" }, ...required.map(({ node }) => node)),
      ...(optional.length ? [element("details", {}, element("summary", {}, "Further fields"),
        element("div", { class: "fields" }, ...optional.map(({ node }) => node)))] : []),
      element("p", { class: "hint" }, "A field that is empty is not sent."),
      this.formats(),
      element("div", { class: "buttons" }, this.send, this.cancel, samples.length ? fill : ""),
      this.outcome, this.answer,
      element("h5", { id: this.id + "-command" }, "As a curl command, with the secrets in the environment"), this.command);
    form.addEventListener("input", () => this.showCommand());
    form.addEventListener("submit", event => {
      event.preventDefault();
      this.run();
    });
    this.form = form;
    this.showCommand();
    return form;
  }

  formats() {
    const choice = (media, index) => {
      const radio = element("input", { type: "radio", name: this.id + "-media", value: media });
      radio.checked = index === this.media.indexOf("multipart/form-data");
      return element("label", {}, radio, " ", media);
    };
    return element("fieldset", { class: "formats" }, element("legend", {}, "Sent as"), ...this.media.map(choice));
  }

  chosenMedia() {
    return this.form.querySelector(`input[name="${this.id}-media"]:checked`).value;
  }

  // The fields that are not empty.
  fields() {
    return this.inputs.flatMap(({ name, input, isFile }) => {
      if (!isFile) return input.value === "" ? [] : [{ name, text: input.value }];
      return input.files.length ? [{ name, file: input.files[0] }] : [];
    });
  }

  showCommand() {
    this.command.textContent = curlCommand(this.url, this.chosenMedia(), this.fields());
  }

  say(text, kind) {
    this.outcome.className = "outcome " + kind;
    this.outcome.textContent = text;
  }

  async run() {
    if (this.running) return;
    this.running = new AbortController();
    this.send.disabled = true;
    this.cancel.disabled = false;
    this.answer.replaceChildren();
    this.say("Sending", "");
    try {
      await this.exchange(this.running.signal);
    } catch (error) {
      this.say(error.name === "AbortError" ? "Cancelled" : "No answer: " + error.message, "bad");
    } finally {
      this.running = null;
      this.send.disabled = false;
      this.cancel.disabled = true;
    }
  }

  async exchange(signal) {
    const media = this.chosenMedia();
    const headers = credentialHeaders();
    if (media === JSON_TYPE) headers["Content-Type"] = JSON_TYPE;
    const body = await bodyOf(media, this.fields());
    const began = performance.now();
    // Without `omit`, the browser would ask for credentials itself after a 401.
    const answer = await fetch(this.url, { method: "POST", headers, body, signal, credentials: "omit", cache: "no-store" });
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    const reason = answer.headers.get("reason-code") || answer.statusText;
    this.say(`${answer.status} ${reason}, after ${took} ms`, answer.ok ? "good" : "bad");
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
    this.answer.replaceChildren(
      element("h5", {}, "Body"), element("pre", { class: "body" }, text),
      element("h5", {}, "Headers"), element("pre", { class: "headers" }, lines.join("\n")));
  }
}

// A form for one operation. `forms` has the schema for each media type.
export function tryItForm(path, operation, forms) {
  const ordered = Object.entries(forms).sort(([, one], [, other]) => files(other) - files(one));
  return new TryIt(path, operation, Object.fromEntries(ordered)).element();
}

function files(schema) {
  return Object.values(schema.properties || {}).filter(field => field.format === "binary").length;
}
