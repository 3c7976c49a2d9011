"""The tables of benchmark.md, from benchmark.json alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

Rows = list[list[Any]]

ENOUGH = 50  # true sources of a real kind


def markdown(result: dict[str, Any]) -> str:
    """Return the whole page."""
    lines = ["# Optical benchmark", ""]
    for caption, rows, notes in tables(result):
        lines += [f"## {caption[0]}", "", *([caption[1], ""] if caption[1] else [])]
        lines += _table(rows)
        lines += ["", *[f"- {n}" for n in notes], *[""] * bool(notes)]
    return "\n".join(lines)


def write(result: dict[str, Any], path: Path) -> None:
    path.write_text(markdown(result).rstrip() + "\n")


Part = tuple[tuple[str, str], Rows, list[str]]


def tables(result: dict[str, Any]) -> Iterable[Part]:
    """Yield caption, rows and notes of all tables that have something to say."""
    yield _headline(result)
    yield _detections(result)
    yield _ratios(result)
    yield _recipes(result)
    for make in (_s50, _flux, _blank, _sky, _noise, _discs, _robust, _speed):
        part = make(result)
        if len(part[1]) > 1:
            yield part


def _table(rows: Rows) -> list[str]:
    head, *body = rows
    lines = ["| " + " | ".join(map(str, head)) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(_cell(c) for c in row) + " |" for row in body]


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|")


def _ratio(values: list[float | None] | None) -> str:
    if not values or values[0] is None:
        return ""
    value, low, high = values
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def _kinds(result: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    return ((k, v) for k, v in result["kinds"].items() if v["arms"])


def _arms(result: dict[str, Any]) -> list[str]:
    return [a for a in result["arms"] if any(a in v["arms"] for _, v in _kinds(result))]


def _headline(result: dict[str, Any]) -> Part:
    rows: Rows = [
        [
            "kind",
            "Mpix",
            "true",
            "false at the cap",
            "model",
            "true positives",
            "strongest classical arm",
            "ratio to it (68 %)",
            "ratio to matched",
            "ratio to sextractor",
        ]
    ]
    for kind, v in _kinds(result):
        for name, arm in v["arms"].items():
            if not arm["model"] or scarce(v):
                continue
            got = arm["parts"]["all"]
            rows.append(
                [
                    kind,
                    v["mpix"],
                    v["truths"],
                    f"{10 * v['mpix']:.1f}",
                    name,
                    f"{got['true']:.0f} ± {got['error']:.0f}",
                    got["strongest"],
                    _ratio(got["to_strongest"]),
                    _ratio(got["ratio"].get("matched")),
                    _ratio(got["ratio"].get("sextractor")),
                ]
            )
    rows += _pooled(result)
    text = (
        "True positives at 10 false detections per Mpix, each arm with the best of the "
        "same declared recipes (chosen on the sum over the frames of a kind). Bounds: "
        "68 %, paired bootstrap over sub-tiles of all frames; of the strongest arm, "
        "whichever it is in each draw. Where fewer than five false detections stand at "
        "the cap, a ratio says little; real frames of fewer than "
        f"{ENOUGH} true sources are left out here."
    )
    notes = [*result["notes"], *[f"skipped: {s}" for s in result["skipped"]]]
    return ("Models against the classical arms", text), rows, notes


def _pooled(result: dict[str, Any]) -> Rows:
    """Return rows for the sums of the simulated kinds, and for the mean of the real."""
    rows: Rows = []
    groups: dict[str, list[Any]] = {}
    for kind, v in _kinds(result):
        if kind != "control" and not scarce(v):
            groups.setdefault(_group(kind, v), []).append(v)
    for title, own in groups.items():
        real = own[0]["real"]
        names = {n for v in own for n, arm in v["arms"].items() if arm["model"]}
        for name in sorted(names):
            got = [v["arms"][name]["parts"]["all"] for v in own if name in v["arms"]]
            got = [g for g in got if g["to_strongest"][0]]
            if len(got) < 2:
                continue
            base = [1.0 if real else g["true"] / g["to_strongest"][0] for g in got]
            half = [(g["to_strongest"][2] - g["to_strongest"][1]) / 2 for g in got]
            pairs = list(zip(base, got, half, strict=True))
            value = sum(b * g["to_strongest"][0] for b, g, _ in pairs) / sum(base)
            # Kinds are independent of each other.
            error = sum((b * h) ** 2 for b, _, h in pairs) ** 0.5 / sum(base)
            ratio = _ratio([value, value - error, value + error])
            rows.append([title, *[""] * 3, name, "", "of each kind", ratio, "", ""])
    return rows


def scarce(entry: dict[str, Any]) -> bool:
    """Return whether a real kind has too few sources to say anything."""
    return bool(entry["real"]) and entry["truths"] < ENOUGH


def _group(kind: str, entry: dict[str, Any]) -> str:
    if entry["real"]:
        return "mean of real"
    return "all apart" if kind.endswith(", apart") else "all simulated but control"


def _detections(result: dict[str, Any]) -> Part:
    arms = _arms(result)
    rows: Rows = [["kind", "sky", *arms]]
    for kind, v in _kinds(result):
        for part in next(iter(v["arms"].values()))["parts"]:
            cells: list[str | None] = []
            for name in arms:
                got = v["arms"].get(name, {}).get("parts", {}).get(part)
                cells.append(f"{got['true']:.0f} ± {got['error']:.0f}" if got else None)
            rows.append([kind, part, *cells])
    return ("True positives at 10 false per Mpix", ""), rows, []


def _ratios(result: dict[str, Any]) -> Part:
    rows: Rows = [
        [
            "kind",
            "arm",
            "at 1",
            "at 10",
            "at 50",
            "99 % pure",
            "chance, percent",
            "strict at 10",
            "to matched (68 %)",
            "to the strongest other",
        ]
    ]
    for kind, v in _kinds(result):
        for name, arm in v["arms"].items():
            best, got = arm["recipes"][arm["best"]], arm["parts"]["all"]
            at = [f"{best['at'][c]:.0f}" for c in ("1", "10", "50")]
            rows.append(
                [
                    kind,
                    name,
                    *at,
                    f"{best['pure']:.0f}",
                    f"{100 * arm['chance']:.2f}",
                    f"{best['strict']:.0f}",
                    _ratio(got["ratio"].get("matched")),
                    _ratio(got["to_strongest"]),
                ]
            )
    text = (
        "At 1, 10 and 50 false per Mpix and where 99 % of the detections are true, by "
        "the recipe that is best at 10. Strict: double detections and shreds of large "
        "sources are false too. Chance: matches with the truth shifted. A sweep that "
        "ends below a cap gives its last value."
    )
    return ("Other operating points", text), rows, []


def _recipes(result: dict[str, Any]) -> Part:
    names = list(
        dict.fromkeys(
            r
            for _, v in _kinds(result)
            for a in v["arms"].values()
            for r in a["recipes"]
        )
    )
    rows: Rows = [["kind", "arm", *names]]
    for kind, v in _kinds(result):
        for name, arm in v["arms"].items():
            cells = [
                f"{arm['recipes'][r]['true']:.0f}" + "*" * (r == arm["best"])
                if r in arm["recipes"]
                else None
                for r in names
            ]
            rows.append([kind, name, *cells])
    return ("All recipes (* = the one that counts)", ""), rows, []


def _s50(result: dict[str, Any]) -> Part:
    rows: Rows = [["kind", "arm", "all", "stars", "galaxies"]]
    for kind, v in _kinds(result):
        for name, arm in v["arms"].items():
            got = arm["s50"]
            cells = [
                None if got[g] is None else f"{got[g]:.2f}"
                for g in ("all", "stars", "galaxies")
            ]
            rows.append([kind, name, *cells])
    text = "Logistic fit in log S/N at the last threshold below 10 false per Mpix."
    return ("S/N at 50 % completeness", text), rows, []


def _flux(result: dict[str, Any]) -> Part:
    rows: Rows = [
        [
            "kind",
            "method",
            "true S/N",
            "sources",
            "forced",
            "half-width",
            "against the bare aperture",
            "detected only (number)",
        ]
    ]
    for kind, methods in result.get("flux", {}).items():
        for method, bins in methods.items():
            for name, b in bins.items():
                rows.append(
                    [
                        kind,
                        method,
                        name,
                        b["forced"][0],
                        _pair(b["forced"]),
                        b["forced"][3],
                        _pair(b["bare"]),
                        f"{_pair(b['detected'])} ({b['detected'][0]})",
                    ]
                )
    text = (
        "Median ratio of the product's aperture flux at all true positions to that in "
        "the same aperture with the same ring of sky on the noise-free image; 68 % "
        "half-width. "
        "Beside it: the bare sum of that aperture; the sources of the catalogue alone "
        "(selection bias). Structured sky."
    )
    return ("Flux", text), rows, []


def _pair(summary: list[float | None]) -> str:
    if summary[1] is None:
        return ""
    return f"{summary[1]:.4f} ± {summary[2]:.4f}"


def _blank(result: dict[str, Any]) -> Part:
    names = list(dict.fromkeys(n for v in result.get("blank", {}).values() for n in v))
    rows: Rows = [["kind", *names]]
    for kind, v in result.get("blank", {}).items():
        cells = [f"{v[n][0]:.4f}, {v[n][1]:+.4f}" if v.get(n) else None for n in names]
        rows.append([kind, *cells])
    text = "Rms and mean of blank sky, sigma; says nothing of detections by itself."
    return ("Blank sky", text), rows, []


def _sky(result: dict[str, Any]) -> Part:
    rows: Rows = [["kind", "method", "sky scale", "rms", "mean"]]
    for kind, methods in result.get("sky", {}).items():
        for method, scales in methods.items():
            for scale, (rms, mean) in scales.items():
                rows.append([kind, method, scale, f"{rms:.4f}", f"{mean:+.4f}"])
    text = "Product's sky less the true one where there is no light, sigma; structured."
    return ("Sky error", text), rows, []


def _noise(result: dict[str, Any]) -> Part:
    rows: Rows = [["correlation", "method", "Mpix", "catalogue", "deep"]]
    for r in result.get("noise", []):
        cells = [f"{r[p][0]:.2f} ± {r[p][1]:.2f}" for p in ("catalogue", "deep")]
        rows.append([r["rho"], r["method"], r["mpix"], *cells])
    return ("Pure noise: detections of the product per Mpix", ""), rows, []


def _discs(result: dict[str, Any]) -> Part:
    discs = result.get("discs", [])
    arms = list(discs[0]["kept"]) if discs else []
    rows: Rows = [["h, arcsec", "mu0", "peak, sigma", *arms]]
    for d in discs:
        cells = [f"{v:.1f} ± {e:.1f}" for v, e in d["kept"].values()]
        rows.append([d["scale"], d["level"], d["peak"], *cells])
    text = "Share of the light inside four scale lengths that is kept, percent."
    return ("Faint discs", text), rows, []


def _robust(result: dict[str, Any]) -> Part:
    rows: Rows = [["kind", "arm", "x0.7", "x1", "x1.4"]]
    for kind, arms in result.get("robust", {}).items():
        for name, told in arms.items():
            rows.append([kind, name, *[_ratio(told[k]) for k in ("0.7", "1", "1.4")]])
    text = "True positives at 10 false per Mpix, over those with the right scale."
    return ("Noise scale told wrong", text), rows, []


def _speed(result: dict[str, Any]) -> Part:
    rows: Rows = [["arm", "recipe", "Mpix/s", "ratio to matched"]]
    for name, v in result.get("speed", {}).items():
        rows.append([name, v["recipe"], v["mpix_per_s"], v["ratio"]])
    text = (
        "Preparing and searching once at the threshold of 10 false per Mpix, one run."
    )
    return ("Speed", text), rows, []


def card(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a model card: the headline and the discs."""
    (_, text), rows, notes = _headline(result)
    _, discs, _ = _discs(result)
    head, *body = discs
    more = [
        f'disc of {r[0]:g}", {r[1]:g} mag per square arcsec: light kept, percent: '
        + ", ".join(f"{a} {v}" for a, v in zip(head[3:], r[3:], strict=True))
        for r in body
    ]
    return {"caption": text, "table": rows, "notes": [*notes, *more]}
