// Readout: where the pointer is and what the three panels show there, in steady columns.
import { make, setText, show } from "./dom.mjs";
import { KINDS, sourceAt } from "./marks.mjs";
import { levelOf } from "./colour.mjs";
import { sexagesimal } from "./sky.mjs";
import { shortNumber, signedNumber } from "./numbers.mjs";

/** The line under the panels. It is not spoken: it changes with every move. */
export class Readout {
  constructor(store, scope) {
    this.store = store;
    this.x = make("span", { class: "bg-at", "data-read": "x" });
    this.y = make("span", { class: "bg-at", "data-read": "y" });
    this.sky = make("span", { class: "bg-sky", "data-read": "sky" });
    this.words = [0, 1, 2].map(() => make("span", { class: "bg-key" }));
    this.values = ["original", "cleaned", "residual"].map((name) => make("span", {
      class: "bg-value", "data-read": name,
    }));
    this.about = make("span", { class: "bg-aside", "data-read": "about" });
    const pairs = this.values.map((value, k) => make(
      "span", { class: "bg-pairing" }, this.words[k], value,
    ));
    this.line = make(
      "div", { class: "bg-readout" },
      make("span", { class: "bg-pairing" }, make("span", { class: "bg-key", text: "x" }), this.x),
      make("span", { class: "bg-pairing" }, make("span", { class: "bg-key", text: "y" }), this.y),
      this.sky, ...pairs, this.about,
    );
    this.legend = make("div", { class: "bg-kinds" });
    this.root = make("div", { class: "bg-under" }, this.line, this.legend);
    scope.add(store.on("place", (stage) => this.update(stage)));
    scope.add(store.on("scene", () => this._scene()));
    scope.add(store.on("sources", () => this._legend()));
    this._scene();
    this._legend();
  }

  update(stage) {
    if (stage.root !== this.root.closest(".bgrem")) return;
    const { store } = this;
    const { place } = stage;
    const found = place ? store.valuesAt(place.x, place.y) : null;
    setText(this.x, place ? place.x.toFixed(1) : "");
    setText(this.y, place ? place.y.toFixed(1) : "");
    const sky = place ? store.skyAt(place.x, place.y) : null;
    setText(this.sky, sky ? sexagesimal(sky.ra, sky.dec) : "");
    this.values.forEach((node, k) => {
      const value = found ? found[node.dataset.read] : undefined;
      const some = found && !Number.isNaN(value);
      const text = k === 2 ? signedNumber(value, 4) : shortNumber(value, 5);
      setText(node, some ? this._inSigma(text, value, k) : found ? "–" : "");
    });
    setText(this.about, place ? this._about(stage, place, found) : "");
  }

  /** A residual says more in units of the noise, about the level of the sky. */
  _inSigma(text, value, k) {
    const { scene } = this.store;
    if (k !== 2 || !(scene.sigma > 0)) return text;
    return `${text} (${signedNumber((value - levelOf(scene)) / scene.sigma, 2)} σ)`;
  }

  _about(stage, place, found) {
    const { sources } = this.store;
    if (sources && Array.isArray(sources.rows) && place.panel && stage.rings) {
      const { size } = place.panel;
      const row = sourceAt(sources, this.store.rows, stage.view, size, place.px, place.py);
      if (row !== null) return this.store.rowText(row);
    }
    if (!found || !found.level) return "";
    const side = 2 ** found.level;
    return `mean of ${side} × ${side} pixels`;
  }

  _scene() {
    const { scene } = this.store;
    const words = scene ? scene.words : ["", "", ""];
    this.words.forEach((node, k) => setText(node, words[k]));
    show(this.sky, Boolean(scene && scene.sky));
  }

  _legend() {
    const { sources } = this.store;
    this.legend.replaceChildren();
    show(this.legend, Boolean(sources));
    if (!sources) return;
    const counts = KINDS.map(() => 0);
    for (const kind of sources.kind) counts[kind < KINDS.length ? kind : 0] += 1;
    const judged = counts[1] + counts[2] + counts[3] > 0;
    KINDS.forEach(({ label }, k) => {
      if (!counts[k] && (k === 0 || !judged)) return;
      const swatch = make("i", { class: `bg-swatch bg-kind${k}` });
      const text = k === 0 && counts[k] === 1 ? "1 source" : `${counts[k]} ${label}`;
      this.legend.append(make("span", {}, swatch, text));
    });
  }
}
