// Dialogs: the model card, the Python lines, and the list of keys.
import { make, makeButton, setText } from "./dom.mjs";
import { KEYS } from "./keys.mjs";

/** One dialog whose content changes. */
export class Dialog {
  constructor(scope, root) {
    this.title = make("h3");
    this.body = make("div", { class: "bg-body" });
    this.copy = makeButton("Copy");
    const close = makeButton("Close");
    this.root = make(
      "dialog", { class: "bg-dialog" }, this.title, this.body,
      make("div", { class: "bg-row bg-end" }, this.copy, close),
    );
    root.append(this.root);
    this._text = "";
    scope.listen(close, "click", () => this.root.close());
    scope.listen(this.copy, "click", () => this._copy());
    scope.listen(this.root, "click", (event) => {
      // The dialog itself is hit only beside its content.
      if (event.target === this.root) this.root.close();
    });
    scope.add(() => this.root.close());
  }

  /** Show a text as it is; `copy` offers to copy it. */
  showText(title, text, { copy = false } = {}) {
    const tag = copy ? make("pre", { class: "bg-code", text }) : cardText(text);
    this._open(title, tag, copy ? text : "");
    if (copy) this._copy();
  }

  showKeys() {
    const table = make("table", { class: "bg-keys" });
    for (const [key, what] of KEYS) {
      table.append(make("tr", {}, make("th", { text: key }), make("td", { text: what })));
    }
    this._open("Keys", table, "");
  }

  _open(title, content, text) {
    this._text = text;
    setText(this.title, title);
    this.copy.hidden = !text;
    this.copy.textContent = "Copy";
    this.body.replaceChildren(content);
    if (!this.root.open) this.root.showModal();
  }

  async _copy() {
    try {
      await navigator.clipboard.writeText(this._text);
      this.copy.textContent = "Copied";
    } catch {
      // No clipboard without a secure page: the text is there to be selected.
      const range = document.createRange();
      range.selectNodeContents(this.body);
      const selection = globalThis.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      this.copy.textContent = "Press Ctrl-C";
    }
  }
}

/** Markdown shown as text: only its headings stand out. */
function cardText(text) {
  const body = make("div", { class: "bg-card" });
  let lines = [];
  const flush = () => {
    const said = lines.join("\n").trim();
    if (said) body.append(make("p", { text: said }));
    lines = [];
  };
  for (const line of String(text).split("\n")) {
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    if (heading) {
      flush();
      body.append(make("h4", { text: heading[1] }));
    } else if (!line.trim()) flush();
    else lines.push(line);
  }
  flush();
  return body;
}
