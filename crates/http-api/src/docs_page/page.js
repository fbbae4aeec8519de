// Shows openapi.json as a page.
import { element, inline } from "./docs-elements.js";
import { credentialsForm, tryItForm } from "./docs-try-it.js";

const page = document.getElementById("page");

// The Markdown subset that the descriptions use: paragraphs, second-level headings, tables.
function prose(text) {
  return String(text || "").split(/\n\n+/).filter(block => block).map(block => {
    if (block.startsWith("## ")) return element("h3", {}, block.slice(3));
    if (!block.startsWith("|")) return element("p", {}, ...inline(block));
    const cells = line => line.split("|").slice(1, -1).map(cell => cell.trim());
    const [head, , ...rows] = block.split("\n");
    return table(cells(head), rows.map(row => cells(row).map(cell => element("span", {}, ...inline(cell)))));
  });
}

function table(head, rows) {
  const titles = head.map(title => element("th", { scope: "col" }, title));
  const body = rows.map(cells => element("tr", {}, ...cells.map(cell => element("td", {}, cell))));
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...body)));
}

function resolve(api, schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((value, key) => value[key], api);
}

function typeOf(schema) {
  const type = [].concat(schema.type || "").join(" or ");
  if (schema.format === "binary") return "file";
  if (schema.format === "byte") return type + " in base64";
  return schema.pattern ? type + " " + schema.pattern : type;
}

function formTables(forms) {
  return Object.entries(forms).flatMap(([media, schema]) => {
    const required = new Set(schema.required || []);
    const rows = Object.entries(schema.properties || {}).map(([name, field]) => [
      element("span", {}, element("code", {}, name),
        required.has(name) ? element("span", { class: "required" }, " required") : ""),
      typeOf(field),
      element("span", {}, ...inline(field.description)),
    ]);
    return [element("details", {}, element("summary", {}, "Fields of ", element("code", {}, media)),
      table(["Field", "Type", "Meaning"], rows))];
  });
}

function answers(responses) {
  return Object.entries(responses).map(([status, response]) => {
    const examples = Object.values(response.content || {}).flatMap(content => Object.entries(content.examples || {}));
    const headers = Object.keys(response.headers || {}).join(", ");
    return element("details", {},
      element("summary", {}, element("span", { class: "status" }, status), ...inline(response.description)),
      element("p", {}, "Headers: " + headers),
      ...examples.flatMap(([name, example]) => [
        element("code", {}, name), element("pre", {}, JSON.stringify(example.value)),
      ]));
  });
}

function operationSection(api, { path, method, described }) {
  const content = Object.entries(described.requestBody.content);
  const forms = Object.fromEntries(content.map(([media, { schema }]) => [media, resolve(api, schema)]));
  const title = described.operationId + "-title";
  return element("section", { id: described.operationId, "aria-labelledby": title },
    element("h3", { id: title }, described.summary || path),
    element("p", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    ...prose(described.description),
    element("h4", {}, "Request"),
    ...formTables(forms),
    element("h4", {}, "Responses"),
    ...answers(described.responses),
    element("h4", {}, "Try it"),
    tryItForm(path, described, forms));
}

function tagSections(api, operations) {
  return (api.tags || []).flatMap(tag => {
    const tagged = operations.filter(({ described }) => (described.tags || []).includes(tag.name));
    if (!tagged.length) return [];
    return [
      element("h2", {}, tag.name),
      element("p", {}, tag.description),
      ...tagged.map(operation => operationSection(api, operation)),
    ];
  });
}

function contents(operations) {
  return element("nav", { "aria-label": "Endpoints" }, element("ul", { class: "contents" },
    ...operations.map(({ path, described }) => element("li", {},
      element("a", { href: "#" + described.operationId }, described.summary || path), " ",
      element("code", {}, path))),
    element("li", {}, element("a", { href: "#all" }, "All endpoints: requests, limits, reason codes"))));
}

function show(api) {
  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => ({ path, method, described })));
  page.replaceChildren(
    element("h1", {}, api.info.title + " " + api.info.version),
    element("p", {}, element("a", { href: "openapi.json" }, "openapi.json"),
      ". Credentials: Basic authentication and the header ", element("code", {}, "x-api-key"), ", both."),
    contents(operations),
    credentialsForm(),
    ...tagSections(api, operations),
    element("h2", { id: "all" }, "All endpoints"),
    ...prose(api.info.description));
  // The browser looked for the target of the address before it existed.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  const response = await fetch("openapi.json", { credentials: "omit" });
  show(await response.json());
} catch (error) {
  page.replaceChildren(element("p", { role: "alert" }, "openapi.json could not be shown: " + error));
}
