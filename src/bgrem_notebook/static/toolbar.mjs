// Toolbar: what is shown of the image, its method and a run, above the panels.
import { fillSelect, labelled, make, makeButton, makeSelect, setText, show } from "./dom.mjs";
import { SettingsForm } from "./form.mjs";

const STOPPABLE = ["run", "preview", "estimate", "find", "check", "steps", "loading"];
const BUSY_WORDS = {
  loading: "Loading", run: "At work", preview: "Preview", estimate: "Measuring the noise",
  find: "Finding sources", check: "Checking", steps: "Recording the steps", save: "Saving",
};

/** Title, settings, and the buttons of a run. */
export class Toolbar {
  constructor(store, scope, stage) {
    Object.assign(this, { store, stage, stopping: false });
    this.settings = new SettingsForm(scope);
    this.finding = new SettingsForm(scope);
    this.root = make("div", { class: "bg-top" });
    this.root.append(this._title(), this._notes(), this._form(), this._runBar());
    scope.listen(this.method, "change", () => {
      store.send({ type: "method", name: this.method.value });
    });
    scope.listen(this.card, "click", () => this._card());
    scope.listen(this.stack, "change", () => {
      store.send({ type: "plane", index: Number(this.stack.value) });
    });
    scope.listen(this.measure, "click", () => this._withSettings("estimate"));
    scope.listen(this.preview, "click", () => {
      this._withSettings("preview", { block: stage.block() });
    });
    scope.listen(this.run, "click", () => this._run());
    scope.listen(this.cancel, "click", () => {
      this.stopping = true;
      store.send({ type: "cancel" });
      this.update();
    });
    scope.listen(this.closeBanner, "click", () => {
      store.banner = null;
      store.send({ type: "close_banner" });
      store.events.emit("banner");
    });
    scope.add(store.on("scene", () => {
      this.stopping = this.stopping && Boolean(store.busy);
      this.update();
    }));
    scope.add(store.on("busy", () => this._busy()));
    scope.add(store.on("progress", () => this._progress()));
    scope.add(store.on("banner", () => this._banner()));
    this.update();
    this._banner();
  }

  /** Settings and those of finding, or null where something is wrong. */
  values() {
    const settings = this.settings.values();
    const find = settings && this.finding.values();
    return find ? { settings, find } : null;
  }

  findValues() {
    return this.finding.values();
  }

  update() {
    const { scene } = this.store;
    show(this.root, Boolean(scene));
    if (!scene) return;
    setText(this.name, scene.title || scene.name || "");
    this.name.title = scene.name || "";
    const size = scene.nx ? `${scene.nx} × ${scene.ny} pix` : "";
    setText(this.meta, [size, scene.unit, scene.device].filter(Boolean).join(" · "));
    setText(this.scale, scene.scale_text || "");
    const { stack } = scene;
    show(this.stackField, Boolean(stack));
    if (stack) {
      fillSelect(this.stack, stack.names.map((name, k) => [String(k), name]));
      this.stack.value = String(stack.index);
    }
    fillSelect(this.method, (scene.methods || []).map(({ name, label }) => [name, label]));
    this.method.value = scene.method;
    this.settings.update(withModel(scene), {
      plain: this.plain, advanced: this.advanced, models: scene.models || [],
    });
    this.finding.update(scene.find_form, { plain: this.plainFind, advanced: this.advancedFind });
    const model = this.settings.entry("model");
    show(this.card, Boolean(model));
    if (model) model.root.after(this.card);
    this.notices.replaceChildren(...(scene.notices || []).map((text) => make("li", { text })));
    show(this.notices, (scene.notices || []).length > 0);
    this._busy();
  }

  _title() {
    this.name = make("h2");
    this.meta = make("span", { class: "bg-quiet" });
    this.scale = make("span", { class: "bg-scale" });
    this.measure = makeButton("Measure noise", {
      class: "bg-small", title: "Measure the noise and the FWHM of the image, without a run",
    });
    this.stack = makeSelect([], { "aria-label": "Plane of the cube" });
    this.stackField = make("label", { class: "bg-inline" }, "Plane", this.stack);
    return make(
      "div", { class: "bg-title" }, this.name, this.meta, this.stackField,
      make("span", { class: "bg-space" }), this.scale, this.measure,
    );
  }

  _notes() {
    this.bannerText = make("strong");
    this.bannerHint = make("span");
    this.closeBanner = makeButton("Close", { class: "bg-small" });
    this.banner = make(
      "div", { class: "bg-banner", role: "alert" },
      make("div", {}, this.bannerText, this.bannerHint), this.closeBanner,
    );
    this.notices = make("ul", { class: "bg-notices" });
    return make("div", { class: "bg-notes" }, this.banner, this.notices);
  }

  _form() {
    this.method = makeSelect([], { "aria-label": "Method" });
    this.card = makeButton("Card", {
      title: "What this model was trained for, and what it is worth", class: "bg-low",
    });
    this.plain = make("div", { class: "bg-group" });
    this.plainFind = make("div", { class: "bg-group" });
    this.advanced = make("div", { class: "bg-group" });
    this.advancedFind = make("div", { class: "bg-group" });
    const heading = (text) => make("h4", { text });
    this.more = make(
      "details", { class: "bg-more" }, make("summary", { text: "More" }),
      make("div", { class: "bg-moreboxes" },
        make("section", {}, heading("Method"), this.advanced),
        make("section", {}, heading("Finding sources"), this.advancedFind)),
    );
    return make(
      "div", { class: "bg-settings" }, labelled("Method", this.method), this.plain,
      this.plainFind, this.more,
    );
  }

  _runBar() {
    this.preview = makeButton("Preview", { title: "Work only on what is in view" });
    this.run = makeButton("Run", {
      class: "bg-primary", title: "Work on the whole image; what is in view comes first",
    });
    this.cancel = makeButton("Cancel", { title: "Stop; what was done stays" });
    this.bar = make("progress", { max: "1", "aria-label": "Progress" });
    this.doing = make("span", { class: "bg-doing" });
    this.result = make("span", { class: "bg-quiet bg-result" });
    return make(
      "div", { class: "bg-row bg-run" }, this.preview, this.run, this.cancel, this.bar,
      this.doing, this.result,
    );
  }

  _busy() {
    const { busy } = this.store;
    this.stage.root.dataset.busy = busy;
    const rest = [this.preview, this.run, this.measure, this.method, this.stack];
    for (const control of rest) control.disabled = Boolean(busy);
    this.cancel.disabled = !STOPPABLE.includes(busy) || this.stopping;
    this._progress();
  }

  _progress() {
    const { busy, progress, scene } = this.store;
    show(this.bar, Boolean(busy));
    const share = progress && progress.share;
    if (Number.isFinite(share)) this.bar.value = share;
    else this.bar.removeAttribute("value");
    let text = "";
    if (busy) text = (progress && progress.text) || BUSY_WORDS[busy] || busy;
    setText(this.doing, this.stopping && busy ? "Stopping…" : text);
    const result = scene && scene.result;
    setText(this.result, !busy && result ? result.text || "" : "");
  }

  _banner() {
    const { banner } = this.store;
    show(this.banner, Boolean(banner));
    if (!banner) return;
    const error = banner.kind === "error";
    this.banner.dataset.kind = banner.kind;
    setText(this.bannerText, `${error ? "Error" : "Note"}: ${banner.text}`);
    setText(this.bannerHint, banner.hint || "");
  }

  _card() {
    const model = this.settings.entry("model");
    if (model) this.store.send({ type: "model", name: model.text() });
  }

  _run() {
    const values = this.values();
    if (values) this.store.send({ type: "run", ...values });
  }

  _withSettings(type, more = {}) {
    const settings = this.settings.values();
    if (settings) this.store.send({ type, settings, ...more });
  }
}

/** The model stands before all other settings, even where it is told apart from them. */
function withModel(scene) {
  const form = scene.form || [];
  const told = form.some(({ name }) => name === "model");
  if (told || !(scene.models || []).length) return form;
  const value = scene.model || scene.models[0].name;
  const control = {
    name: "model", label: "Model", kind: "text", value, default: value, optional: false,
    choices: [], help: "name of a model or path of its weights",
  };
  return [control, ...form];
}
