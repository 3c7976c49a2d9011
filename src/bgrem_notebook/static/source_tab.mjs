// Source tab: what was measured where somebody clicked, before and after.
import { make, makeRows } from "./dom.mjs";
import { makePlot } from "./plots.mjs";

const ROLES = ["original", "cleaned", "residual"];

/** Numbers and two plots of the source that was measured last. */
export class SourceTab {
  constructor(store, scope) {
    this.store = store;
    this.root = make("div", { class: "bg-source" });
    scope.add(store.on("seen", () => this.update()));
    scope.add(store.on("scene", () => this.update()));
    this.update();
  }

  update() {
    const { seen } = this.store;
    if (!seen) {
      this.root.replaceChildren(make("p", {
        class: "bg-quiet", text: "Click a source in any panel to measure it.",
      }));
      return;
    }
    const words = this.store.scene ? this.store.scene.words : ROLES;
    const perPixel = seen.unit ? `${seen.unit} per pixel` : "per pixel";
    this.root.replaceChildren(
      makeRows(seen.rows || []),
      makePlot(plotOf(seen, "profile", "Radial profile", perPixel, words)),
      makePlot(plotOf(seen, "growth", "Curve of growth", seen.unit || "sum", words)),
    );
  }
}

function plotOf(seen, kind, title, yLabel, words) {
  const known = seen[kind] || {};
  const curves = ROLES.filter((role) => known[role]).map((role) => ({
    name: words[ROLES.indexOf(role)], role, x: seen.radii || [], y: known[role], points: false,
  }));
  const axis = { x_label: "radius (pix)", y_label: yLabel, zero: true, mark: seen.radius };
  return { title, ...axis, names: null, curves };
}
