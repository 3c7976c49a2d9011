// Form: the settings of a method, one control for each field, and what was typed in them.
import { fillSelect, labelled, make, makeSelect } from "./dom.mjs";

const OTHER = "\u0000other";
/** The slider of the view is its control: strength needs no new run. */
const ELSEWHERE = ["strength"];

/** Controls of one settings class. Plain ones and advanced ones go to two places. */
export class SettingsForm {
  constructor(scope) {
    this._scope = scope;
    this._entries = new Map();
    this._shape = "";
    this._said = {};
  }

  /** Build or update; `plain` and `advanced` are where controls go. */
  update(list, { plain, advanced, models = [] }) {
    const controls = (list || []).filter(({ name }) => !ELSEWHERE.includes(name));
    const shape = JSON.stringify([controls.map((c) => ({ ...c, value: 0 })), models]);
    if (shape !== this._shape) {
      this._shape = shape;
      for (const entry of this._entries.values()) entry.remove();
      this._entries.clear();
      this._said = {};
      for (const control of controls) {
        const entry = new Entry(control, isModel(control) ? models : [], this._scope);
        this._entries.set(control.name, entry);
        (control.advanced ? advanced : plain).append(entry.root);
      }
    }
    for (const { name, value } of controls) {
      // What a person typed stays until the kernel says something else.
      if (this._said[name] !== value) this._entries.get(name).setText(value);
      this._said[name] = value;
    }
  }

  entry(name) {
    return this._entries.get(name);
  }

  /** {field: text}; null if something is no such thing, and the focus goes there. */
  values() {
    const wrong = [...this._entries.values()].find((entry) => !entry.check());
    if (wrong) {
      wrong.focus();
      return null;
    }
    const pairs = [...this._entries].map(([name, entry]) => [name, entry.text()]);
    return Object.fromEntries(pairs);
  }
}

class Entry {
  constructor(control, models, scope) {
    this.control = control;
    this.input = null;
    this.select = null;
    const kind = this._kind(models);
    if (kind === "flag") this._flag();
    else if (kind === "choice") this._choice(models);
    else this._line();
    this.main.title = tip(control);
    const check = () => this.check();
    this._undo = [this.select, this.input].filter(Boolean)
      .map((node) => scope.listen(node, "input", check));
    this.root.dataset.name = control.name;
  }

  remove() {
    for (const undo of this._undo) undo();
    this.root.remove();
  }

  text() {
    const { control } = this;
    if (this.box) return this.box.checked ? "yes" : "no";
    if (this.select && this.select.value !== OTHER) return this.select.value;
    const said = this.input.value.trim();
    return said || (control.optional ? "" : control.default);
  }

  setText(text) {
    const { control } = this;
    const said = text ?? "";
    if (this.box) this.box.checked = said === "yes";
    else if (this.select) {
      const known = [...this.select.options].some((o) => o.value === said && said !== OTHER);
      this.select.value = known || !this.input ? said : OTHER;
      if (this.input) this.input.value = known ? "" : said;
    } else this.input.value = said === control.default && control.optional ? "" : said;
    this.check();
  }

  /** Mark what cannot be right; the kernel checks again. */
  check() {
    const { control } = this;
    if (!this.input) return true;
    const typing = !this.select || this.select.value === OTHER;
    this.input.hidden = !typing;
    let good = true;
    if (typing && (control.kind !== "text" || control.free)) {
      good = goodNumber(control, this.input.value.trim());
    }
    this.input.setAttribute("aria-invalid", good ? "false" : "true");
    this.input.title = good ? tip(control) : `Expected: ${control.expected}`;
    return good;
  }

  focus() {
    const node = this.input && !this.input.hidden ? this.input : this.main;
    const folded = node.closest("details");
    if (folded) folded.open = true;
    node.focus();
  }

  _kind(models) {
    const { control } = this;
    if (control.kind === "flag") return control.optional ? "choice" : "flag";
    if (control.kind === "choice" || models.length) return "choice";
    return "line";
  }

  _flag() {
    this.box = make("input", { type: "checkbox" });
    this.main = this.box;
    this.root = make("label", { class: "bg-flag" }, this.box, this.control.label);
  }

  _choice(models) {
    const { control } = this;
    let pairs = (control.choices || []).map((word) => [word, word]);
    if (models.length) pairs = models.map(({ name }) => [name, name]);
    if (control.kind === "flag") pairs = [["yes", "yes"], ["no", "no"]];
    if (control.optional) pairs.unshift(["", "default"]);
    const open = control.free || models.length > 0;
    if (open) pairs.push([OTHER, models.length ? "a file…" : "by hand…"]);
    this.select = makeSelect([], { "aria-label": control.label });
    fillSelect(this.select, pairs);
    this.main = this.select;
    const row = make("span", { class: "bg-row" }, this.select);
    if (open) {
      this._makeInput(models.length ? "path of weights" : "");
      row.append(this.input, ...unitOf(control));
    }
    this.root = labelled(control.label, row);
  }

  _line() {
    const { control } = this;
    this._makeInput(control.optional ? control.default || control.empty : control.default);
    this.main = this.input;
    const row = make("span", { class: "bg-row" }, this.input, ...unitOf(control));
    this.root = labelled(control.label, row);
  }

  _makeInput(placeholder) {
    const { control } = this;
    const number = control.kind !== "text";
    this.input = make("input", {
      type: "text", placeholder, "aria-label": control.label, spellcheck: "false",
      autocomplete: "off", inputmode: number ? (control.whole ? "numeric" : "decimal") : null,
      class: number ? "bg-number" : "bg-text",
    });
  }
}

/** Could this be a number of the control? Nothing is the default. */
export function goodNumber(control, said) {
  if (!said) return true;
  const word = said.toLowerCase();
  if ((control.choices || []).some((choice) => choice.toLowerCase() === word)) return true;
  if (control.optional && word === "none") return true;
  const value = Number(said);
  if (!Number.isFinite(value) || (control.whole && !Number.isInteger(value))) return false;
  const { low, high } = control;
  return !(low !== null && low !== undefined && value < low)
    && !(high !== null && high !== undefined && value > high);
}

function isModel({ name }) {
  return name === "model";
}

function tip(control) {
  const help = control.help ? control.help[0].toUpperCase() + control.help.slice(1) : "";
  return [help, control.unit ? `Unit: ${control.unit}` : ""].filter(Boolean).join(". ");
}

function unitOf(control) {
  return control.unit ? [make("span", { class: "bg-unit", text: control.unit })] : [];
}
