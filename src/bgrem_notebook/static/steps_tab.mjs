// Steps tab: how the cleaned image comes about, step by step; needs no kernel to look at.
import { make, makeButton, setText, show } from "./dom.mjs";
import { makePlot, pixelCanvas } from "./plots.mjs";
import { RESIDUAL_MAP, readColours } from "./colour.mjs";
import { shortNumber } from "./numbers.mjs";

/** A slider through the recorded steps. */
export class StepsTab {
  constructor(store, scope, record) {
    this.store = store;
    this.record = makeButton("Record the steps", {
      title: "Run the reverse steps once more round the middle of the view, and keep each",
    });
    this.about = make("span", { class: "bg-quiet" });
    this.slider = make("input", { type: "range", min: "0", step: "1", value: "0" });
    this.slider.setAttribute("aria-label", "Step");
    this.back = makeButton("Back", { class: "bg-small" });
    this.on = makeButton("Next", { class: "bg-small" });
    this.label = make("output", { class: "bg-step" });
    this.image = make("canvas", { "data-step": "image", role: "img" });
    this.noise = make("canvas", { "data-step": "noise", role: "img" });
    this.imageWord = make("figcaption");
    this.noiseWord = make("figcaption");
    this.caption = make("p", { class: "bg-caption", "aria-live": "polite" });
    this.plots = make("div", { class: "bg-plots" });
    this.body = make(
      "div", { class: "bg-steps-body" },
      make("div", { class: "bg-row bg-stepper" }, this.back, this.slider, this.on, this.label),
      this.caption,
      make("div", { class: "bg-pair" },
        make("figure", { class: "bg-figure" }, this.imageWord, this.image),
        make("figure", { class: "bg-figure" }, this.noiseWord, this.noise), this.plots),
    );
    this.root = make(
      "div", { class: "bg-steps" },
      make("div", { class: "bg-row" }, this.record, this.about), this.body,
    );
    scope.listen(this.record, "click", record);
    scope.listen(this.slider, "input", () => this.update());
    scope.listen(this.back, "click", () => this._go(-1));
    scope.listen(this.on, "click", () => this._go(1));
    scope.add(store.on("steps", () => this._new()));
    for (const name of ["scene", "busy"]) scope.add(store.on(name, () => this._new()));
    scope.add(store.on("trait", (name) => {
      if (name === "colours") this.update();
    }));
    this._new();
  }

  update() {
    const { steps } = this.store;
    if (!steps) return;
    const k = Math.min(steps.n, Number(this.slider.value));
    const { ny, nx } = steps;
    const { name } = readColours(this.store.traits.colours);
    pixelCanvas(steps.images[k], ny, nx, this._limits, "linear", name, this.image);
    const reach = steps.sigma > 0 ? 4 * steps.sigma : 1;
    const noise = steps.noises[Math.max(0, k - 1)];
    this.noise.style.visibility = k > 0 ? "visible" : "hidden";
    if (noise) pixelCanvas(noise, ny, nx, [-reach, reach], "linear", RESIDUAL_MAP, this.noise);
    setText(this.imageWord, k === 0 ? "The image as it came" : `The image after step ${k}`);
    setText(this.noiseWord, k === 0 ? "No noise estimate yet" : `Noise seen by step ${k}`);
    this.image.setAttribute("aria-label", this.imageWord.textContent);
    this.noise.setAttribute("aria-label", this.noiseWord.textContent);
    const parts = [pick(steps.labels, k, steps.n) || `Step ${k} of ${steps.n}`];
    const sigma = pick(steps.sigmas, k, steps.n);
    if (Number.isFinite(sigma)) parts.push(`sigma ${shortNumber(sigma, 3)}`);
    setText(this.label, parts.join(", "));
    setText(this.caption, pick(steps.captions, k, steps.n) || "");
    this.back.disabled = k === 0;
    this.on.disabled = k === steps.n;
    this.slider.setAttribute("aria-valuetext", parts.join(", "));
    // Curves over steps: the line shows which step is looked at.
    const plots = (steps.curves || []).map((plot) => makePlot({ ...plot, mark: plot.mark ?? k }));
    this.plots.replaceChildren(...plots);
  }

  _go(by) {
    this.slider.value = String(Number(this.slider.value) + by);
    this.update();
  }

  _new() {
    const { busy, ready, scene, steps } = this.store;
    const can = ready && scene.can_record !== false;
    this.record.disabled = !can || Boolean(busy);
    let about = "Shows what each reverse step does to a small piece of the image.";
    if (ready && !can) about = "This method has no steps to look at.";
    if (busy === "steps") about = "Recording…";
    else if (steps) {
      about = `${steps.nx} × ${steps.ny} pixels from x ${steps.x0}, y ${steps.y0}`;
    }
    setText(this.about, about);
    show(this.body, Boolean(steps));
    if (!steps || steps === this._steps) return;
    this._steps = steps;
    // One range for all of them, wide enough for the noise that is there at first.
    const [low, high] = rangeOf(steps.images[0]);
    this._limits = [Math.min(low, steps.limits[0]), Math.max(high, steps.limits[1])];
    this.slider.max = String(steps.n);
    this.slider.value = String(steps.n);
    this.update();
  }
}

/** Where nearly all values lie. */
function rangeOf(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  if (!sorted.length) return [0, 1];
  return [0.01, 0.98].map((share) => sorted[Math.floor(share * (sorted.length - 1))]);
}

/** Entry of step k in a list that has one for each image, or one for each step. */
function pick(list, k, n) {
  if (!list) return null;
  return list.length > n ? list[k] : k > 0 ? list[k - 1] : null;
}
