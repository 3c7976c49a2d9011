// Panel: one canvas with pixels, one over it with marks, and the bar of its colours.
import { make, setText } from "./dom.mjs";
import { levelFor, originOf, placeTile, tileRange, visibleRect } from "./geometry.mjs";
import { RESIDUAL_MAP, barValue, bent, colourAt, levelOf, readColours } from "./colour.mjs";
import { signedNumber, stepNumber } from "./numbers.mjs";

const BAR_STEPS = 128;
const BAR_TICKS = [0, 0.25, 0.5, 0.75, 1];

/** One of the three pictures. `shows` says what is drawn from where: see `draw`. */
export class Panel {
  constructor(name) {
    this.name = name;
    this.size = { width: 0, height: 0 };
    this.word = make("span", { class: "bg-word" });
    this.note = make("span", { class: "bg-note" });
    this.extra = make("span", { class: "bg-extra" });
    this.pixels = make("canvas", { "data-pixels": name });
    this.over = make("canvas", { "data-panel": name });
    this.hint = make("p", { class: "bg-hint" });
    this.frame = make("div", { class: "bg-frame" }, this.pixels, this.over, this.hint);
    this.bar = make("canvas", { class: "bg-bar", width: BAR_STEPS, height: 1 });
    this.ticks = BAR_TICKS.map(() => make("span"));
    this.root = make(
      "figure", { class: "bg-panel", "data-name": name },
      make("figcaption", {}, this.word, this.note, this.extra), this.frame, this.bar,
      make("div", { class: "bg-ticks" }, ...this.ticks),
    );
    this._bar = "";
  }

  /** Fit the canvases to the room there is; true if that changed. */
  resize(height, ratio) {
    const width = Math.max(1, Math.floor(this.frame.clientWidth));
    const same = width === this.size.width && height === this.size.height
      && ratio === this.ratio;
    if (same) return false;
    this.size = { width, height };
    this.ratio = ratio;
    this.frame.style.height = `${height}px`;
    for (const canvas of [this.pixels, this.over]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    return true;
  }

  get shown() {
    return !this.root.hidden && this.frame.clientWidth > 0;
  }

  /**
   * Draw what the panel shows: [[name of a picture, from, to], ...] with shares of the
   * width. Gives true if all tiles of the wanted level were there and current.
   */
  draw(store, view, shows) {
    const context = this.pixels.getContext("2d", { alpha: false });
    const { width, height } = this.pixels;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#14161c";
    context.fillRect(0, 0, width, height);
    let ready = true;
    for (const [picture, from, to] of shows) {
      context.save();
      context.beginPath();
      context.rect(Math.round(from * width), 0, Math.round((to - from) * width), height);
      context.clip();
      ready = this._picture(context, store, view, picture) && ready;
      context.restore();
    }
    return ready;
  }

  /** The context for marks, in screen pixels, empty. */
  marks() {
    const context = this.over.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.over.width, this.over.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    return context;
  }

  /** Bring the colour bar and its numbers up to date. */
  drawBar(store, picture) {
    const look = store.painter.look(picture);
    const { sigma } = store.scene;
    const key = `${look.name}|${sigma}|${picture}`;
    if (key === this._bar) return;
    this._bar = key;
    const residual = picture === "residual";
    const { name, inverted } = readColours(store.traits.colours);
    const tone = store.tone[residual ? "residual" : "image"];
    const context = this.bar.getContext("2d");
    for (let k = 0; k < BAR_STEPS; k += 1) {
      const t = bent(k / (BAR_STEPS - 1), tone);
      const map = residual ? RESIDUAL_MAP : name;
      const rgb = colourAt(map, inverted && !residual ? 1 - t : t);
      context.fillStyle = `rgb(${rgb.join(",")})`;
      context.fillRect(k, 0, 1, 1);
    }
    const inSigma = residual && sigma > 0;
    const level = levelOf(store.scene);
    this.ticks.forEach((tick, k) => {
      const value = barValue(look.stretch, look.limits, BAR_TICKS[k]);
      // The middle of the residual is the level of the sky that is in it.
      if (inSigma && (BAR_TICKS[k] !== 0.5 || level === 0)) {
        setText(tick, `${signedNumber((value - level) / sigma, 2)} σ`);
      } else setText(tick, stepNumber(value, (look.limits[1] - look.limits[0]) / 4));
    });
  }

  _picture(context, store, view, picture) {
    const { scene } = store;
    const { size, ratio } = this;
    const canvas = this.pixels;
    const rect = visibleRect(view, size, scene);
    if (!rect) return true;
    const origin = originOf(view, size, ratio);
    const zoom = view.scale * ratio;
    // Coarse pixels of the last row and column reach beyond the image.
    context.beginPath();
    const across = Math.round(scene.nx * zoom);
    const up = Math.round(scene.ny * zoom);
    context.rect(origin.x, origin.y - up, across, up);
    context.clip();
    context.imageSmoothingEnabled = zoom < 1;
    const look = store.painter.look(picture);
    const level = levelFor(view.scale, ratio, scene.levels);
    const wanted = this._tiles(store, picture, look, rect, level);
    const ready = wanted.every(({ tile }) => tile && tile.current);
    const put = (list) => {
      for (const { at, tile } of list) {
        const to = tile && placeTile(origin, zoom, canvas, ...at, tile);
        if (!to) continue;
        const { sx, sy, sw, sh, x, y, w, h } = to;
        context.drawImage(tile.canvas, sx, sy, sw, sh, x, y, w, h);
      }
    };
    if (wanted.some(({ tile }) => !tile)) {
      // Until the right level is here: coarse ones first, then finer ones over them.
      for (let other = scene.levels - 1; other > level; other -= 1) {
        put(this._tiles(store, picture, look, rect, other));
      }
      for (let other = Math.max(0, level - 2); other < level; other += 1) {
        put(this._tiles(store, picture, look, rect, other));
      }
    }
    put(wanted);
    return ready;
  }

  _tiles(store, picture, look, rect, level) {
    const { i0, i1, j0, j1 } = tileRange(rect, store.scene, level);
    const list = [];
    for (let i = i0; i <= i1; i += 1) {
      for (let j = j0; j <= j1; j += 1) {
        list.push({ at: [level, i, j], tile: store.painter.tile(picture, look, level, i, j) });
      }
    }
    return list;
  }
}
