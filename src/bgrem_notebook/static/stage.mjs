// Stage: the panels together, what they show, and when they are drawn.
import { Panel } from "./panel.mjs";
import { make, makeButton, setText, show } from "./dom.mjs";
import { OncePerFrame } from "./scope.mjs";
import { fitView, keepInSight, levelFor, tileRange, visibleBlock } from "./geometry.mjs";
import { visibleRect, zoomAbout } from "./geometry.mjs";
import { hasResult } from "./pixels.mjs";
import { drawCompass, drawCross, drawDivider, drawScaleBar } from "./marks.mjs";
import { drawSeen, drawSources } from "./marks.mjs";
import { turned } from "./numbers.mjs";

export const MODES = ["side by side", "blink", "wipe"];
const PICTURES = ["original", "cleaned", "residual"];
/** Each picture stays this long: well below two changes a second. */
const BLINK_MS = 700;
const NARROW_HEIGHT = 300;

/** The three panels of one view. */
export class Stage {
  constructor(store, scope, root) {
    this.store = store;
    this.scope = scope;
    this.root = root;
    this.panels = PICTURES.map((name) => new Panel(name));
    this.swap = makeButton("Swap", {
      class: "bg-small", title: "Show the other picture (x)",
    });
    this.panels[0].extra.append(this.swap);
    this.hint = make("div", { class: "bg-wheel", text: "Click to zoom with the wheel" });
    this.element = make("div", {
      class: "bg-stage", tabindex: "0", role: "application",
      "aria-label": "Image viewer. Arrow keys move, plus and minus zoom, Enter measures"
        + " at the cross, question mark lists all keys.",
    }, ...this.panels.map((panel) => panel.root), this.hint);
    this.phase = 0;
    this.wipe = 0.5;
    this.pointer = null;
    this.keyboard = false;
    this.rings = true;
    this._blinking = 0;
    this._frame = new OncePerFrame(scope, () => this._draw());
    this._marks = new OncePerFrame(scope, () => this._drawMarks());
    this._observe();
    this._motion = globalThis.matchMedia("(prefers-reduced-motion: reduce)");
    scope.listen(this._motion, "change", () => this.setMode());
    scope.listen(this.swap, "click", () => this.swapNow());
    scope.add(() => clearInterval(this._blinking));
    scope.add(() => store.wants.leave(this));
    const redraw = () => this.redraw();
    scope.add(store.on("pixels", redraw));
    scope.add(store.on("look", redraw));
    scope.add(store.on("busy", redraw));
    scope.add(store.on("marks", () => this._marks.ask()));
    scope.add(store.on("center", ({ x, y }) => this.goTo(x, y)));
    scope.add(store.on("scene", () => this._newScene()));
    scope.add(store.on("trait", (name) => {
      if (name === "height") this._resize();
      if (name === "mode") this.setMode();
      redraw();
    }));
    this.setMode();
    if (store.scene) this._newScene();
  }

  /** The view {x, y, scale}, or null before there is an image. */
  get view() {
    const [x, y, scale] = this.store.traits.view;
    return scale > 0 ? { x, y, scale } : null;
  }

  get mode() {
    const { mode } = this.store.traits;
    return MODES.includes(mode) ? mode : MODES[0];
  }

  /** The panel that decides how large a fit is. */
  get smallest() {
    const shown = this.panels.filter((panel) => panel.shown);
    return shown.reduce((a, b) => (b.size.width < a.size.width ? b : a), shown[0]);
  }

  setView(view, { fitted = false } = {}) {
    this.store.fitted = fitted;
    this.store.set("view", [view.x, view.y, view.scale]);
  }

  fit() {
    const panel = this.smallest;
    if (!this.store.ready || !panel || panel.size.width < 2) return;
    this.setView(fitView(this.store.shape, panel.size), { fitted: true });
  }

  /** Zoom about a place of a panel, by default the middle. */
  zoom(factor, panel = this.smallest, px = panel.size.width / 2, py = panel.size.height / 2) {
    if (!this.view || !this.store.ready) return;
    const least = fitView(this.store.shape, this.smallest.size).scale / 4;
    const view = zoomAbout(this.view, panel.size, px, py, factor, least);
    this.setView(keepInSight(view, this.store.shape));
  }

  setScale(scale) {
    if (this.view) this.zoom(scale / this.view.scale);
  }

  goTo(x, y) {
    if (!this.store.ready) return;
    if (!this.view) this.fit();
    if (!this.view) return;
    this.setView(keepInSight({ ...this.view, x, y }, this.store.shape));
  }

  /** What is visible, [y0, y1, x0, x1] in whole pixels, ends not included. */
  block() {
    const panel = this.panels.find((one) => one.shown);
    const some = this.store.ready && this.view && panel;
    const rect = some && visibleRect(this.view, panel.size, this.store.scene);
    return rect ? visibleBlock(rect) : null;
  }

  setMode() {
    const { mode } = this;
    this.root.dataset.mode = mode;
    show(this.panels[1].root, mode === MODES[0]);
    show(this.swap, mode === "blink");
    clearInterval(this._blinking);
    if (mode === "blink" && !this._motion.matches && !this.scope.closed) {
      this._blinking = setInterval(() => this._turn(), BLINK_MS);
    }
    if (mode !== "blink") this.phase = 0;
    this._resize();
    this.redraw();
  }

  /** Show the other of the two pictures that blink, and stay there. */
  swapNow() {
    clearInterval(this._blinking);
    this._turn();
  }

  /** A place under the pointer or the cross of the keyboard, as data pixels, or null. */
  get place() {
    if (this.keyboard && this.view) return { x: this.view.x, y: this.view.y };
    return this.pointer;
  }

  setPointer(place, { keyboard = this.keyboard } = {}) {
    this.pointer = place;
    this.keyboard = keyboard;
    this._marks.ask();
  }

  tellWheel() {
    this.hint.dataset.on = "1";
    if (this._told) this._told();
    this._told = this.scope.after(1600, () => delete this.hint.dataset.on);
  }

  redraw() {
    this._frame.ask();
  }

  redrawMarks() {
    this._marks.ask();
  }

  _turn() {
    this.phase = 1 - this.phase;
    this.redraw();
  }

  _newScene() {
    const { store } = this;
    this._resize();
    if (store.fitted || !this.view) this.fit();
    this.redraw();
  }

  _observe() {
    const observer = new ResizeObserver(() => this._resize());
    observer.observe(this.root);
    this.scope.add(() => observer.disconnect());
  }

  _resize() {
    const narrow = this.root.clientWidth < 700;
    this.root.dataset.narrow = narrow ? "1" : "0";
    const wanted = Math.max(120, this.store.traits.height);
    const height = narrow ? Math.min(wanted, NARROW_HEIGHT) : wanted;
    let changed = false;
    for (const panel of this.panels) {
      if (panel.shown) {
        changed = panel.resize(height, globalThis.devicePixelRatio || 1) || changed;
      }
    }
    if (!changed) return;
    if (this.store.fitted) this.fit();
    // A canvas that was resized is empty: no frame may show it so.
    if (this.view && this.store.ready) this._draw();
  }

  /** What each panel shows: name of the picture, from and to as shares of its width. */
  _shows(panel) {
    if (panel.name !== "original" || this.mode === MODES[0]) return [[panel.name, 0, 1]];
    if (!hasResult(this.store.scene.planes)) return [["original", 0, 1]];
    if (this.mode === "blink") return [[PICTURES[this.phase], 0, 1]];
    return [["original", 0, this.wipe], ["cleaned", this.wipe, 1]];
  }

  _draw() {
    const { store, root, view } = this;
    const { scene } = store;
    if (!store.ready || this.scope.closed) return;
    if (!view) {
      this.fit();
      return;
    }
    const start = performance.now();
    const result = hasResult(scene.planes);
    let ready = true;
    for (const panel of this.panels) {
      if (!panel.shown) continue;
      const shows = this._shows(panel);
      const empty = panel.name !== "original" && !result;
      ready = panel.draw(store, view, empty ? [] : shows) && ready;
      panel.drawBar(store, shows[0][0]);
      panel.root.dataset.empty = empty ? "1" : "0";
      setText(panel.hint, empty ? this._hint() : "");
      this._caption(panel, shows, empty);
    }
    this._drawMarks();
    const { dataset } = root;
    dataset.drawMs = (performance.now() - start).toFixed(2);
    dataset.drawnAt = performance.now().toFixed(1);
    dataset.view = `${view.x},${view.y},${view.scale}`;
    dataset.rev = scene.rev ?? store.scenes;
    dataset.bytes = store.bytes;
    dataset.ready = ready ? "1" : "0";
    this._want();
  }

  _hint() {
    const working = ["run", "preview"].includes(this.store.busy);
    return working ? "At work: the first pixels will be shown here." : this.store.scene.hint || "";
  }

  _caption(panel, shows, empty) {
    const { scene, strength } = this.store;
    const words = Object.fromEntries(PICTURES.map((name, k) => [name, scene.words[k]]));
    const wiping = shows.length > 1;
    setText(panel.word, shows.map(([name]) => words[name]).join(" | "));
    const picture = shows[shows.length - 1][0];
    let note = "";
    if (empty || picture === "original") note = "";
    else if (scene.planes.live !== undefined) note = "so far";
    else {
      const kind = scene.result ? scene.result.kind : "run";
      note = kind === "run" ? "" : kind;
      // An amount of what is in the image says nothing of what was taken.
      const counts = picture === "cleaned" || !scene.slider.of_left;
      if (scene.has_strength && strength < 1 && !wiping && counts) {
        const percent = Math.round(100 * turned(scene.slider, strength));
        note = [note, `${scene.slider.label.toLowerCase()} ${percent} %`]
          .filter(Boolean).join(", ");
      }
    }
    setText(panel.note, note);
    this.root.dataset.shown = this._shows(this.panels[0]).map(([name]) => name).join(" ");
  }

  _drawMarks() {
    const { store, view } = this;
    if (!store.ready || !view || this.scope.closed) return;
    for (const panel of this.panels) {
      if (!panel.shown) continue;
      const context = panel.marks();
      if (panel.root.dataset.empty !== "1") this._marksOn(panel, context, view);
    }
    this.store.events.emit("place", this);
  }

  _marksOn(panel, context, view) {
    const { store } = this;
    const { size } = panel;
    if (store.sources && this.rings) {
      drawSources(context, store.sources, store.selected, view, size);
    }
    if (store.seen) drawSeen(context, store.seen, view, size);
    const { compass } = store.scene;
    if (panel.name === "original") {
      drawScaleBar(context, view, size, compass ? compass.pixel_scale : 0);
      if (compass) drawCompass(context, compass, size);
      if (this._shows(panel).length > 1) {
        drawDivider(context, this.wipe * size.width, size, store.scene.words);
      }
    }
    const { place } = this;
    if (!place || (!this.keyboard && this.pointer.panel === panel)) return;
    const px = size.width / 2 + (place.x - view.x) * view.scale;
    const py = size.height / 2 - (place.y - view.y) * view.scale;
    drawCross(context, px, py);
  }

  /** Ask for what is missing: the right level first, then a coarse one to fall back on. */
  _want() {
    const { store, view } = this;
    const { scene, tiles, planes } = store;
    const list = [];
    let union = null;
    const ask = (rect, level, out) => {
      const { i0, i1, j0, j1 } = tileRange(rect, scene, level);
      for (const plane of planes) {
        for (let i = i0; i <= i1; i += 1) {
          for (let j = j0; j <= j1; j += 1) {
            if (tiles.isCurrent(plane, level, i, j)) continue;
            out.push([plane, tiles.rev(plane), level, i, j]);
          }
        }
      }
    };
    // Panels have one centre: the widest of them sees all that the others see.
    const shown = this.panels.filter((panel) => panel.shown);
    for (const panel of shown) {
      const rect = visibleRect(view, panel.size, scene);
      if (!rect) continue;
      if (!union || rect[2] - rect[0] > union[2] - union[0]) union = rect;
    }
    if (union) {
      const level = levelFor(view.scale, this.panels[0].ratio, scene.levels);
      ask(union, level, list);
      list.sort(nearestFirst(union, level));
      if (!list.length && level < scene.levels - 1) ask(union, scene.levels - 1, list);
    }
    store.wants.set(this, list, union);
    this.root.dataset.waiting = list.length;
    this._trim(union);
  }

  /** Let go of old tiles, but of none in sight: they would be asked for again at once. */
  _trim(rect) {
    const { store } = this;
    if (!rect) return;
    const level = levelFor(this.view.scale, this.panels[0].ratio, store.scene.levels);
    const { i0, i1, j0, j1 } = tileRange(rect, store.scene, level);
    store.painter.makeRoom(3 * (i1 - i0 + 1) * (j1 - j0 + 1));
    store.tiles.trim((plane, at, i, j) => at === level && i >= i0 && i <= i1
      && j >= j0 && j <= j1);
  }
}

function nearestFirst(rect, level) {
  const span = 256 * 2 ** level;
  const x = (rect[0] + rect[2]) / (2 * span) - 0.5;
  const y = (rect[1] + rect[3]) / (2 * span) - 0.5;
  const far = ([, , , i, j]) => (i - y) ** 2 + (j - x) ** 2;
  return (a, b) => far(a) - far(b);
}
