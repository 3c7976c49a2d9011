// Checks tab: the three things that a sceptic asks for, one button each.
import { make, makeButton, makeRows } from "./dom.mjs";
import { makePlot } from "./plots.mjs";

export const CHECKS = [
  ["blank_sky", "Blank sky", "Is the sky at zero, even, and as noisy as was estimated?"],
  ["residual", "Residual",
    "Is what was taken away like noise, or is there light of sources in it?"],
  ["faint_flux", "Faint flux",
    "How much of the flux of faint sources is left in the cleaned image?"],
];

/** Three buttons, each with its question, and the answer below. */
export class ChecksTab {
  constructor(store, scope) {
    this.store = store;
    this.shown = null;
    this.buttons = CHECKS.map(([name, text, question]) => {
      const button = makeButton(text, { "aria-pressed": "false", "data-check": name });
      scope.listen(button, "click", () => {
        this.shown = name;
        store.send({ type: "check", name });
        this.update();
      });
      return { name, button, root: make("div", { class: "bg-question" }, button,
        make("span", { text: question })) };
    });
    this.answer = make("div", { class: "bg-answer", "aria-live": "polite" });
    this.root = make(
      "div", { class: "bg-checks" },
      make("div", { class: "bg-questions" }, ...this.buttons.map((one) => one.root)),
      this.answer,
    );
    scope.add(store.on("check", (name) => {
      this.shown = name;
      this.update();
    }));
    for (const name of ["scene", "busy"]) scope.add(store.on(name, () => this.update()));
    if (store.checks.size) this.shown = [...store.checks.keys()].pop();
    this.update();
  }

  update() {
    const { scene, checks } = this.store;
    const { busy } = this.store;
    const ready = scene && !busy && scene.result && scene.result.kind === "run";
    for (const { name, button } of this.buttons) {
      button.disabled = !ready;
      button.title = ready ? "" : "Press Run first: a check looks at a whole result";
      button.setAttribute("aria-pressed", String(name === this.shown && checks.has(name)));
    }
    const check = checks.get(this.shown);
    const working = busy === "check";
    if (working || !check) {
      const text = working ? "Checking…" : "";
      this.answer.replaceChildren(make("p", { class: "bg-quiet", text }));
      return;
    }
    const plots = make("div", { class: "bg-plots" }, ...(check.plots || []).map(makePlot));
    this.answer.replaceChildren(
      make("p", { class: "bg-verdict", text: check.verdict }),
      make("div", { class: "bg-source" }, makeRows(check.rows || []), plots),
    );
  }
}
