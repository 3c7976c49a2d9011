// Keys: what each of them does in the viewer, and why the notebook never hears of them.
import { readColours, writeColours } from "./colour.mjs";
import { step } from "./pointer.mjs";

/** Keys and what they do, as the help lists them. */
export const KEYS = [
  ["Drag", "move the image"],
  ["Wheel, + and -", "zoom, about the pointer or the middle"],
  ["0", "fit the whole image"],
  ["1", "one screen pixel per image pixel"],
  ["Arrows", "move the image under the cross"],
  ["Click, Enter", "measure the source there, or at the cross"],
  ["n or ], p or [", "next and previous source"],
  ["b", "blink the first two images"],
  ["x", "swap the two while they blink"],
  ["w", "wipe between the first two images"],
  [", and .", "move the line of the wipe"],
  ["i", "invert the colours"],
  ["Right-drag, shift-drag", "contrast (up and down) and brightness (across)"],
  ["r, shift-double-click", "reset contrast and brightness"],
  ["m", "show or hide the rings of sources"],
  ["g", "go to a position"],
  ["?", "this list"],
  ["Esc", "close, or leave the viewer"],
];

/** Listen to the keys of a view; `actions` holds what lies outside of the stage. */
export function listenToKeys(stage, scope, actions) {
  const { root, element, store } = stage;
  const turn = (mode) => {
    store.set("mode", stage.mode === mode ? "side by side" : mode);
  };
  const moved = (right, up) => () => step(stage, right, up);
  const wipeBy = (share) => () => {
    stage.wipe = Math.min(1, Math.max(0, stage.wipe + share));
    stage.redraw();
  };
  const does = {
    "+": () => stage.zoom(Math.SQRT2),
    "=": () => stage.zoom(Math.SQRT2),
    "-": () => stage.zoom(Math.SQRT1_2),
    0: () => stage.fit(),
    1: () => stage.setScale(1),
    ArrowLeft: moved(-1, 0),
    ArrowRight: moved(1, 0),
    ArrowUp: moved(0, 1),
    ArrowDown: moved(0, -1),
    Enter: () => {
      if (stage.view) store.send({ type: "click", x: stage.view.x, y: stage.view.y });
    },
    b: () => turn("blink"),
    w: () => turn("wipe"),
    x: () => {
      if (stage.mode === "blink") stage.swapNow();
    },
    ",": wipeBy(-0.05),
    ".": wipeBy(0.05),
    i: () => {
      const { name, inverted } = readColours(store.traits.colours);
      store.set("colours", writeColours(name, !inverted));
    },
    r: () => store.resetTone(),
    n: () => nextSource(stage, 1),
    "]": () => nextSource(stage, 1),
    p: () => nextSource(stage, -1),
    "[": () => nextSource(stage, -1),
    m: actions.rings,
    g: actions.goTo,
    "?": actions.help,
    Escape: () => element.blur(),
  };
  const cross = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "+", "=", "-", "0", "1"];
  // Notebook 7 takes keys in the capture phase, unless the focused element says this.
  scope.listen(root, "focusin", (event) => {
    event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  });
  scope.listen(root, "keydown", (event) => {
    // JupyterLab takes them while they bubble.
    event.stopPropagation();
    root.dataset.by = "keys";
    if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const act = does[key] || does[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    if (cross.includes(key) || key === "Enter") stage.setPointer(null, { keyboard: true });
    act();
  });
  for (const type of ["keyup", "keypress"]) {
    scope.listen(root, type, (event) => event.stopPropagation());
  }
  scope.listen(element, "blur", () => stage.setPointer(stage.pointer, { keyboard: false }));
}

/** Choose the next or the previous source, and bring it into sight. */
export function nextSource(stage, by) {
  const { store } = stage;
  const { sources, selected, rows } = store;
  if (!rows) return;
  const first = by > 0 ? 0 : rows - 1;
  const row = selected === null ? first : (selected + by + rows) % rows;
  store.select(row);
  const block = stage.block();
  const [x, y] = [sources.x[row], sources.y[row]];
  const seen = block && y >= block[0] && y < block[1] && x >= block[2] && x < block[3];
  if (!seen) stage.goTo(x, y);
}
