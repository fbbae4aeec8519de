// Makes elements. Text is inserted as text, never as markup.

export function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children.filter(child => child !== undefined && child !== null));
  return node;
}

// Text with `code` in it.
export function inline(text) {
  const parts = String(text || "").split("`");
  return parts.map((part, index) => index % 2 ? element("code", {}, part) : part);
}
