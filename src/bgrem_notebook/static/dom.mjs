// Elements: made from names, attributes and text; never from HTML.

let counted = 0;

/** An element; `text` is its text, true a bare attribute, false and null none. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A button that is no submit button. */
export function makeButton(text, attributes = {}) {
  return make("button", { type: "button", text, ...attributes });
}

/** A control under its label. */
export function labelled(text, control, attributes = {}) {
  const label = make("label", { class: "bg-field", ...attributes });
  label.append(make("span", { class: "bg-label", text }), control);
  return label;
}

/** A list to choose from: [[value, text], ...]. */
export function makeSelect(pairs, attributes = {}) {
  const node = make("select", attributes);
  fillSelect(node, pairs);
  return node;
}

/** Put other choices into a list, unless they are there already. */
export function fillSelect(node, pairs) {
  const now = [...node.options].map((option) => [option.value, option.textContent]);
  if (JSON.stringify(now) === JSON.stringify(pairs)) return;
  const { value } = node;
  node.replaceChildren(...pairs.map(([name, text]) => make("option", { value: name, text })));
  if (pairs.some(([name]) => name === value)) node.value = value;
}

/** A name that no other element of the page has. */
export function uniqueId(what) {
  counted += 1;
  return `bgrem-${what}-${counted}`;
}

/** Rows of labels and texts, as a description list. */
export function makeRows(rows) {
  const list = make("dl", { class: "bg-rows" });
  for (const [label, text, help] of rows) {
    list.append(make("dt", { text: label, title: help }), make("dd", { text, title: help }));
  }
  return list;
}

/** Show or hide. */
export function show(node, visible) {
  node.hidden = !visible;
}

/** Set a text only if it differs: screen readers speak of each change. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
