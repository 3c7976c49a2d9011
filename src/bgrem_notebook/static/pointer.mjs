// Pointer: drag to move, wheel and pinch to zoom, click to measure, right-drag for tone.
import { sourceAt } from "./marks.mjs";
import { keepInSight, panBy, toPixel } from "./geometry.mjs";

const CLICK_PX = 4;
const GRIP_PX = 9;
const TWICE_MS = 400;

/** Listen to the pointers over the panels of a stage. */
export function listenToPointers(stage, scope) {
  for (const panel of stage.panels) new PanelPointer(stage, panel, scope);
}

class PanelPointer {
  constructor(stage, panel, scope) {
    Object.assign(this, { stage, panel, store: stage.store });
    this.down = new Map();
    this.drag = null;
    const { over } = panel;
    const on = (type, react, options) => scope.listen(over, type, react.bind(this), options);
    on("pointerdown", this._press);
    on("pointermove", this._move);
    on("pointerup", this._release);
    on("pointercancel", this._drop);
    on("pointerleave", this._leave);
    on("contextmenu", (event) => event.preventDefault());
    on("dblclick", (event) => {
      if (event.shiftKey) this.store.resetTone();
    });
    // Not passive: a zoom must not scroll the notebook too.
    on("wheel", this._wheel, { passive: false });
  }

  _at(event) {
    const box = this.panel.over.getBoundingClientRect();
    return { px: event.clientX - box.left, py: event.clientY - box.top };
  }

  _press(event) {
    const { stage } = this;
    if (!stage.view || !this.store.ready) return;
    stage.root.dataset.by = "pointer";
    stage.element.focus({ preventScroll: true });
    this.panel.over.setPointerCapture(event.pointerId);
    const at = this._at(event);
    this.down.set(event.pointerId, at);
    if (this.down.size === 2) {
      this.drag = { kind: "pinch" };
      return;
    }
    let kind = "pan";
    if (event.button === 2 || event.shiftKey) kind = "tone";
    else if (this._onDivider(at)) kind = "wipe";
    this.drag = { kind, start: at, last: at, moved: false, button: event.button };
    this.drag.group = this.panel.name === "residual" ? "residual" : "image";
    this.drag.tone = this.store.tone[this.drag.group];
  }

  _move(event) {
    const { stage, drag } = this;
    if (!stage.view) return;
    const at = this._at(event);
    if (drag && drag.kind === "pinch") this._pinch(event, at);
    else if (drag) this._dragged(at);
    const place = toPixel(stage.view, this.panel.size, at.px, at.py);
    stage.setPointer({ ...place, ...at, panel: this.panel }, { keyboard: false });
    this.panel.over.dataset.grip = this._onDivider(at) ? "1" : "0";
  }

  _dragged(at) {
    const { stage, drag, panel } = this;
    const far = Math.hypot(at.px - drag.start.px, at.py - drag.start.py);
    if (!drag.moved && far < CLICK_PX) return;
    if (!drag.moved) {
      drag.moved = true;
      panel.over.dataset.drag = drag.kind;
    }
    const [dx, dy] = [at.px - drag.last.px, at.py - drag.last.py];
    drag.last = at;
    if (drag.kind === "pan") stage.setView(panBy(stage.view, this.store.shape, dx, dy));
    else if (drag.kind === "wipe") {
      stage.wipe = Math.min(1, Math.max(0, at.px / panel.size.width));
      stage.redraw();
    } else this._tone(at);
  }

  /** Across shifts the middle, up raises the contrast; the residual stays symmetric. */
  _tone(at) {
    const { drag, panel } = this;
    const dx = (at.px - drag.start.px) / panel.size.width;
    const dy = (drag.start.py - at.py) / panel.size.height;
    const contrast = Math.min(10, Math.max(0.1, drag.tone.contrast * 4 ** dy));
    const bias = Math.min(1, Math.max(0, drag.tone.bias + dx));
    const symmetric = drag.group === "residual";
    this.store.setTone(drag.group, { contrast, bias: symmetric ? 0.5 : bias });
  }

  _pinch(event, at) {
    const before = [...this.down.values()];
    this.down.set(event.pointerId, at);
    const after = [...this.down.values()];
    if (after.length < 2) return;
    const gap = ([a, b]) => Math.hypot(a.px - b.px, a.py - b.py) || 1;
    const middle = ([a, b]) => ({ px: (a.px + b.px) / 2, py: (a.py + b.py) / 2 });
    const [from, to] = [middle(before), middle(after)];
    const { stage } = this;
    stage.setView(panBy(stage.view, this.store.shape, to.px - from.px, to.py - from.py));
    stage.zoom(gap(after) / gap(before), this.panel, to.px, to.py);
  }

  _release(event) {
    const { drag } = this;
    this.down.delete(event.pointerId);
    if (drag && drag.kind === "pan" && !drag.moved && drag.button === 0) {
      this._click(this._at(event), event.timeStamp);
    }
    this._end();
  }

  _click(at, time) {
    const { stage, store, panel } = this;
    // The second half of a double click asks nothing new.
    const { scale } = stage.view;
    const last = this.clicked;
    const again = last && time - last.time < TWICE_MS && last.scale === scale
      && Math.hypot(at.px - last.px, at.py - last.py) < CLICK_PX;
    this.clicked = { ...at, time, scale };
    if (again) return;
    const sources = stage.rings ? store.sources : null;
    const row = sourceAt(sources, store.rows, stage.view, panel.size, at.px, at.py);
    if (row !== null) {
      store.select(row);
      return;
    }
    const { x, y } = toPixel(stage.view, panel.size, at.px, at.py);
    const { nx, ny } = store.shape;
    const inside = x >= -0.5 && y >= -0.5 && x < nx - 0.5 && y < ny - 0.5;
    if (inside) store.send({ type: "click", x, y });
  }

  _drop(event) {
    this.down.delete(event.pointerId);
    this._end();
  }

  _end() {
    if (this.down.size) return;
    this.drag = null;
    delete this.panel.over.dataset.drag;
  }

  _leave() {
    if (!this.drag) this.stage.setPointer(null);
  }

  _wheel(event) {
    const { stage } = this;
    if (!stage.view) return;
    const root = stage.root.getRootNode();
    // A notebook must scroll past a viewer that nobody works in.
    if (!event.ctrlKey && !stage.root.contains(root.activeElement)) {
      stage.tellWheel();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const unit = [1, 16, 240][event.deltaMode] || 1;
    const turn = Math.max(-240, Math.min(240, event.deltaY * unit));
    const at = this._under(event);
    const speed = event.ctrlKey ? 80 : 240;
    stage.zoom(2 ** (-turn / speed), this.panel, at.px, at.py);
    if (stage.pointer) {
      const place = toPixel(stage.view, this.panel.size, at.px, at.py);
      stage.setPointer({ ...stage.pointer, ...place });
    }
  }

  /** Where the wheel turns: wheels tell whole pixels, pointers tell fractions. */
  _under(event) {
    const at = this._at(event);
    const { pointer } = this.stage;
    const near = pointer && pointer.panel === this.panel
      && Math.abs(pointer.px - at.px) < 1.01 && Math.abs(pointer.py - at.py) < 1.01;
    return near ? { px: pointer.px, py: pointer.py } : at;
  }

  _onDivider(at) {
    const { stage, panel } = this;
    const wiping = panel.name === "original" && stage.mode === "wipe"
      && stage.root.dataset.shown.includes(" ");
    return wiping && Math.abs(at.px - stage.wipe * panel.size.width) <= GRIP_PX;
  }
}

/** Move by a share of a panel, for the arrow keys. */
export function step(stage, right, up) {
  if (!stage.view) return;
  const { width } = stage.smallest.size;
  const by = width / 8 / stage.view.scale;
  const view = { ...stage.view, x: stage.view.x + right * by, y: stage.view.y + up * by };
  stage.setView(keepInSight(view, stage.store.shape));
}
