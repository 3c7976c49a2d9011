// Main: one store per model, any number of views of it.
import { make, makeButton, show, uniqueId } from "./dom.mjs";
import { Scope } from "./scope.mjs";
import { Store } from "./store.mjs";
import { Stage } from "./stage.mjs";
import { Toolbar } from "./toolbar.mjs";
import { ActionBar, ViewBar } from "./viewbar.mjs";
import { Readout } from "./readout.mjs";
import { SourceTab } from "./source_tab.mjs";
import { ChecksTab } from "./checks_tab.mjs";
import { StepsTab } from "./steps_tab.mjs";
import { Dialog } from "./dialogs.mjs";
import { listenToPointers } from "./pointer.mjs";
import { listenToKeys } from "./keys.mjs";

/** Build one view into an element; gives back how to take it away. */
export function openView(store, el) {
  const scope = new Scope();
  const root = make("div", {
    class: "bgrem", "data-ready": "0", "data-busy": "", "data-rev": "", "data-view": "",
    "data-bytes": "0", "data-narrow": "0", "data-waiting": "",
  });
  el.append(root);
  followTheme(root, scope);
  const waiting = make("p", { class: "bg-quiet bg-waiting", text: "Waiting for the kernel…" });
  const stage = new Stage(store, scope, root);
  const dialog = new Dialog(scope, root);
  const help = () => dialog.showKeys();
  const toolbar = new Toolbar(store, scope, stage);
  const viewBar = new ViewBar(store, scope, help);
  const readout = new Readout(store, scope);
  const actions = new ActionBar(store, scope, stage, () => toolbar.findValues());
  const record = () => {
    const settings = toolbar.settings.values();
    const { view } = stage;
    if (settings && view) store.send({ type: "steps", settings, x: view.x, y: view.y });
  };
  const tabs = makeTabs(scope, [
    ["Source", new SourceTab(store, scope).root],
    ["Checks", new ChecksTab(store, scope).root],
    ["Steps", new StepsTab(store, scope, record).root],
  ]);
  const below = make("div", {}, readout.root, actions.root, tabs.root);
  root.prepend(waiting, toolbar.root, viewBar.root, stage.element, below);
  listenToPointers(stage, scope);
  listenToKeys(stage, scope, {
    help, rings: () => actions.toggleRings(), goTo: () => viewBar.focusGoTo(),
  });
  const known = () => {
    const some = store.ready;
    show(waiting, !store.scene);
    show(stage.element, some);
    show(below, some);
    if (some) stage.setMode();
  };
  // A scene shows the panels before the stage measures them.
  scope.add(store.on("scene", known));
  known();
  scope.add(store.on("seen", () => {
    // Read anew at another strength it must not come to the front.
    if (store.seen && !store.seen.again) tabs.choose(0);
  }));
  scope.add(store.on("check", () => tabs.choose(1)));
  scope.add(store.on("steps", () => tabs.choose(2)));
  scope.add(store.on("card", ({ title, text }) => dialog.showText(title, text)));
  scope.add(store.on("python", ({ text }) => {
    dialog.showText("The same in Python", text, { copy: true });
  }));
  return () => {
    scope.close();
    root.remove();
  };
}

function makeTabs(scope, pairs) {
  const list = make("div", { class: "bg-tabs", role: "tablist" });
  const root = make("div", { class: "bg-below" }, list);
  const tabs = pairs.map(([word, content], k) => {
    const id = uniqueId("tab");
    const panel = make("div", {
      class: "bg-tab", role: "tabpanel", id, "data-tab": word.toLowerCase(),
    }, content);
    const button = makeButton(word, { role: "tab", "aria-controls": id });
    scope.listen(button, "click", () => choose(k));
    scope.listen(button, "keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      const next = (k + by + pairs.length) % pairs.length;
      choose(next);
      tabs[next].button.focus();
    });
    list.append(button);
    root.append(panel);
    return { button, panel };
  });
  const choose = (chosen) => {
    tabs.forEach(({ button, panel }, k) => {
      button.setAttribute("aria-selected", String(k === chosen));
      button.tabIndex = k === chosen ? 0 : -1;
      show(panel, k === chosen);
    });
  };
  choose(0);
  return { root, choose };
}

/** Native controls must be told whether the page is dark; hosts say it in many ways. */
function followTheme(root, scope) {
  const read = () => {
    const parts = getComputedStyle(root).color.match(/[\d.]+/g);
    // No colour yet: the element is not in the page.
    if (!parts) return;
    const [r, g, b] = parts.map(Number);
    root.dataset.theme = 0.3 * r + 0.6 * g + 0.1 * b > 128 ? "dark" : "light";
  };
  const observer = new MutationObserver(read);
  for (const node of [document.body, document.documentElement]) {
    observer.observe(node, { attributes: true });
  }
  scope.add(() => observer.disconnect());
  scope.listen(globalThis.matchMedia("(prefers-color-scheme: dark)"), "change", read);
  const observed = new ResizeObserver(read);
  observed.observe(root);
  scope.add(() => observed.disconnect());
  read();
}

// A function, called once for each model: hosts hand out another proxy of the model each
// time, so that nothing could be found again by it.
export default () => {
  let store = null;
  return {
    initialize({ model }) {
      store = new Store(model);
      return () => store.close();
    },
    render({ model, el }) {
      store ||= new Store(model);
      return openView(store, el);
    },
  };
};
