// View bar: how the panels are shown; and below them, what is done with a result.
import { labelled, make, makeButton, makeSelect, setText, show } from "./dom.mjs";
import { MAPS, STRETCHES, readColours, readLimits, writeColours } from "./colour.mjs";
import { limitsOf } from "./colour.mjs";
import { MODES } from "./stage.mjs";
import { shortNumber, turned } from "./numbers.mjs";

const LIMITS = [
  ["zscale", "ZScale"], ["percentile", "Percentile"], ["minmax", "Min-max"],
  ["hand", "by hand"],
];
const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** Mode, stretch, limits, colours, strength, and where to go. */
export class ViewBar {
  constructor(store, scope, help) {
    this.store = store;
    this.modes = MODES.map((mode) => {
      const button = makeButton(capital(mode), { "data-mode": mode });
      scope.listen(button, "click", () => store.set("mode", mode));
      return button;
    });
    const group = make("div", {
      class: "bg-segments", role: "group", "aria-label": "Compare",
    }, ...this.modes);
    this.stretch = makeSelect(Object.keys(STRETCHES).map((name) => [name, name]));
    this.limits = makeSelect(LIMITS);
    this.low = this._limit("Lower limit");
    this.high = this._limit("Upper limit");
    this.colours = makeSelect(MAPS.map((name) => [name, name]));
    this.invert = make("input", { type: "checkbox" });
    this.strength = make("input", {
      type: "range", min: "0", max: "100", step: "1",
    });
    this.percent = make("output", { class: "bg-percent" });
    this.to = make("input", {
      type: "text", placeholder: "x, y or RA Dec", spellcheck: "false", autocomplete: "off",
      title: "Pixels as x, y, or a position as RA Dec; Enter goes there",
    });
    this.help = makeButton("?", { "aria-label": "Help: keys", title: "Keys (?)" });
    const limitRow = make("span", { class: "bg-row" }, this.limits, this.low, this.high);
    const strengthRow = make("span", { class: "bg-row" }, this.strength, this.percent);
    const colourRow = make(
      "span", { class: "bg-row" }, this.colours,
      make("label", { class: "bg-flag" }, this.invert, "invert"),
    );
    this.strengthField = labelled("Strength", strengthRow);
    this.root = make(
      "div", { class: "bg-view" },
      make("div", { class: "bg-field" }, make("span", { class: "bg-label", text: "Compare" }),
        group),
      labelled("Stretch", this.stretch), field("Limits", limitRow),
      field("Colours", colourRow), this.strengthField, labelled("Go to", this.to), this.help,
    );
    this._listen(scope, help);
    scope.add(store.on("scene", () => this.update()));
    scope.add(store.on("trait", () => this.update()));
    this.update();
  }

  focusGoTo() {
    this.to.focus();
    this.to.select();
  }

  update() {
    const { scene, traits } = this.store;
    show(this.root, Boolean(scene));
    if (!scene) return;
    for (const button of this.modes) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === traits.mode));
    }
    this.stretch.value = traits.stretch;
    const typed = readLimits(traits.limits_by);
    this.limits.value = typed || this._byHand ? "hand" : traits.limits_by;
    const hand = this.limits.value === "hand";
    show(this.low, hand);
    show(this.high, hand);
    if (typed && document.activeElement !== this.low && document.activeElement !== this.high) {
      this.low.value = shortNumber(typed[0], 6);
      this.high.value = shortNumber(typed[1], 6);
    }
    const { name, inverted } = readColours(traits.colours);
    this.colours.value = name;
    this.invert.checked = inverted;
    const percent = Math.round(100 * turned(scene.slider, traits.strength));
    this.strength.value = String(percent);
    setText(this.percent, `${percent} %`);
    this._strength(scene);
  }

  _strength(scene) {
    const live = scene.planes.live !== undefined;
    this.strength.disabled = !scene.has_strength || live;
    const { label, about } = scene.slider;
    setText(this.strengthField.querySelector(".bg-label"), label);
    this.strength.setAttribute("aria-label", label);
    let why = about;
    if (live) why = `${label} can be chosen when the run is done`;
    else if (!scene.result) why = `Press Run first: ${label.toLowerCase()} changes a result`;
    else if (!scene.has_strength) why = "This result tells nothing that could be left in";
    this.strengthField.title = why;
    this.strength.title = why;
  }

  _listen(scope, help) {
    const { store } = this;
    scope.listen(this.stretch, "change", () => store.set("stretch", this.stretch.value));
    scope.listen(this.limits, "change", () => {
      this._byHand = this.limits.value === "hand";
      if (!this._byHand) {
        store.set("limits_by", this.limits.value);
        return;
      }
      // By hand starts from what is shown.
      const now = limitsOf(store.scene, store.traits.limits_by, "original");
      this.low.value = shortNumber(now[0], 5);
      this.high.value = shortNumber(now[1], 5);
      this.update();
      this._typed();
    });
    for (const node of [this.low, this.high]) {
      scope.listen(node, "change", () => this._typed());
    }
    scope.listen(this.colours, "change", () => this._setColours());
    scope.listen(this.invert, "change", () => this._setColours());
    scope.listen(this.strength, "input", () => {
      store.set("strength", turned(store.scene.slider, Number(this.strength.value) / 100));
    });
    scope.listen(this.to, "keydown", (event) => {
      const text = this.to.value.trim();
      if (event.key === "Enter" && text) store.send({ type: "goto", text });
    });
    scope.listen(this.help, "click", help);
  }

  _typed() {
    const text = `${this.low.value} ${this.high.value}`;
    const good = readLimits(text);
    for (const node of [this.low, this.high]) {
      node.setAttribute("aria-invalid", good ? "false" : "true");
    }
    if (good) this.store.set("limits_by", good.join(" "));
  }

  _setColours() {
    this.store.set("colours", writeColours(this.colours.value, this.invert.checked));
  }

  _limit(name) {
    return make("input", {
      type: "text", class: "bg-number", "aria-label": name, title: name, inputmode: "decimal",
    });
  }
}

/** Find, save, export, copy; with the line that asks for a path. */
export class ActionBar {
  constructor(store, scope, stage, findValues) {
    Object.assign(this, { store, what: null });
    this.find = makeButton("Find sources", {
      title: "Search the result for sources and measure them",
    });
    this.save = makeButton("Save…", { title: "Write the result as FITS" });
    this.export = makeButton("Export…", { title: "Write the sources as a catalogue" });
    this.python = makeButton("Copy as Python", { title: "The same run as lines of Python" });
    this.rings = make("input", { type: "checkbox", checked: true });
    this.ringsField = make("label", { class: "bg-flag" }, this.rings, "Rings");
    this.told = make("span", { class: "bg-said", role: "status" });
    this.path = make("input", { type: "text", class: "bg-path", spellcheck: "false" });
    this.pathLabel = make("label", { class: "bg-inline bg-grow" }, make("span"), this.path);
    this.write = make("button", { type: "submit", class: "bg-primary", text: "Save" });
    this.replace = makeButton("Replace");
    this.close = makeButton("Close");
    this.question = make("span", { class: "bg-ask", role: "alert" });
    this.form = make(
      "form", { class: "bg-row bg-saving", hidden: true }, this.pathLabel, this.write,
      this.replace, this.close, this.question,
    );
    this.root = make(
      "div", { class: "bg-actions" },
      make("div", { class: "bg-row" }, this.find, this.save, this.export, this.python,
        this.ringsField, this.told),
      this.form,
    );
    scope.listen(this.find, "click", () => {
      const find = findValues();
      if (find) store.send({ type: "find", find });
    });
    scope.listen(this.save, "click", () => this._open("save"));
    scope.listen(this.export, "click", () => this._open("export"));
    scope.listen(this.python, "click", () => store.send({ type: "python" }));
    scope.listen(this.rings, "change", () => {
      stage.rings = this.rings.checked;
      stage.redrawMarks();
    });
    scope.listen(this.form, "submit", (event) => {
      event.preventDefault();
      this._send(false);
    });
    scope.listen(this.replace, "click", () => this._send(true));
    scope.listen(this.close, "click", () => this._shut());
    scope.listen(this.path, "input", () => this._ask(""));
    scope.listen(this.form, "keydown", (event) => {
      if (event.key === "Escape") this._shut();
    });
    for (const name of ["scene", "busy", "sources"]) {
      scope.add(store.on(name, () => this.update()));
    }
    scope.add(store.on("said", () => {
      setText(this.told, store.said);
      if (this._sent) this._shut();
    }));
    scope.add(store.on("ask", (message) => {
      if (this.what !== message.what) this._open(message.what);
      this.path.value = message.path;
      this._sent = false;
      this._ask(message.text);
      this.replace.focus();
    }));
    setText(this.told, store.said);
    this.update();
  }

  toggleRings() {
    this.rings.click();
  }

  update() {
    const { scene, sources } = this.store;
    show(this.root, Boolean(scene));
    if (!scene) return;
    const idle = !this.store.busy;
    const whole = Boolean(scene.result) && scene.result.kind === "run";
    this.find.disabled = !idle || !whole;
    this.save.disabled = !idle || !whole;
    const nothing = !sources;
    this.export.disabled = !idle || nothing;
    const first = "Press Run first";
    this.find.title = whole ? "Search the result for sources and measure them" : first;
    this.save.title = whole ? "Write the result as FITS" : first;
    this.export.title = nothing
      ? "Find or click sources first" : "Write the sources as a catalogue";
    show(this.ringsField, Boolean(sources));
  }

  _open(what) {
    const { scene } = this.store;
    this.what = what;
    const saving = what === "save";
    const name = saving ? scene.save_name : scene.export_name;
    const folder = (scene.folder || "").replace(/\/+$/, "");
    this.path.value = folder ? `${folder}/${name}` : name;
    setText(this.pathLabel.firstChild, saving ? "Save as" : "Export as");
    setText(this.write, saving ? "Save" : "Export");
    this.path.title = saving ? "" : `Formats: ${(scene.formats || []).join(" ")}`;
    this._sent = false;
    this._ask("");
    show(this.form, true);
    this.path.focus();
  }

  _ask(text) {
    setText(this.question, text);
    show(this.question, Boolean(text));
    show(this.replace, Boolean(text));
  }

  _send(overwrite) {
    const path = this.path.value.trim();
    if (!path) return;
    this._sent = true;
    this.store.send({ type: this.what, path, overwrite });
  }

  _shut() {
    this.what = null;
    this._sent = false;
    this._ask("");
    show(this.form, false);
  }
}

function field(text, control) {
  // Not a label: more than one control is in it.
  return make("div", { class: "bg-field" }, make("span", { class: "bg-label", text }), control);
}
