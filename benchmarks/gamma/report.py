"""The tables of benchmark.md and the figures of the model card, from benchmark.json."""

from collections.abc import Iterable
from typing import Any

import scoring
from arms import EMISSION, EXACT, NETWORK, RAW
from common.tables import Part, Rows, page, plus, signed, target_rows
from detection import BEST
from draws import NULL
from scoring import BANDS, RATES
from targets import targets

RULES = (
    f"To be found: sources with Asimov TS above {scoring.BRIGHT:g}, "
    f"{scoring.EDGE:g} pixels off the edges. True: a detection within "
    f"{scoring.MATCH:g} pixels of a source with Asimov TS above {scoring.REAL:g}, one "
    "to one. False: no such source there. A second detection of a source is neither."
)
NOMINAL = (
    "The search takes the PSF at its nominal width; patches differ by up to 10 %, but "
    "for those called nominal PSF."
)
SIGNIFICANCE = "Not validated as a 4FGL significance."


def markdown(result: dict[str, Any]) -> str:
    """Return the whole page."""
    return page("Gamma-ray benchmark", _head(result), parts(result))


def _head(result: dict[str, Any]) -> list[str]:
    lines = [
        (
            f"- weights {result['weights'][:16]}, seed {result['seed']}, "
            f"{result['patches']} test patches of 64 x 64 pixels of 0.2 deg, all from "
            "the held-out caps; mean exposure 1.9e11 cm2 s; photons drawn"
        ),
        *(f"- {n}: file {d[:16]}" for n, d in result["papers"].items()),
        "- errors: bootstrap over patches, 1 sigma; differences of arms are paired",
        f"- {RULES}",
        f"- {NOMINAL}",
        f"- {SIGNIFICANCE}",
    ]
    return [*lines, *(f"- skipped: {s}" for s in result["skipped"])]


def parts(result: dict[str, Any]) -> Iterable[Part]:
    """Yield title, text and rows of all tables that have something to say."""
    s = result["sections"]
    yield (
        "Targets",
        "Reached or not by the values, errors aside.",
        target_rows(targets(s)),
    )
    for name, make in _PARTS.items():
        if name in s:
            yield from make(s[name])


def _detection(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Patches " + ", ".join(f"{b}: {n}" for b, n in d["patches"].items())
        + "; sources to be found "
        + ", ".join(f"{b}: {n}" for b, n in d["wanted"].items())
        + ". One iterative search on all backgrounds. Meshes are sep's; the best one "
        "of each band and rate was chosen on other patches: "
        + "; ".join(f"{b}: {', '.join(v)}" for b, v in d["best mesh"].items())
        + "."
    )  # fmt: skip
    yield "Bright sources found at equal false ones", text, found_rows(d["arms"])
    yield "Paired differences", "", differences(d["arms"])
    yield "SExtractor as it comes", "At 1.5 rms, its default.", _default(d["default"])
    rows = [["background", "seconds per patch, one core"], *d["seconds"].items()]
    yield "Time of a search", "Down to TS 6; a product's search ends at TS 9.", rows


def found_rows(arms: dict[str, Any]) -> Rows:
    rows: Rows = [["arm", *(f"{b}, at {r:g}" for b in BANDS for r in RATES)]]
    for name, by_band in arms.items():
        rows.append([name, *(plus(e["found"]) for b in BANDS for e in by_band[b])])
    return rows


def differences(arms: dict[str, Any]) -> Rows:
    rows: Rows = [["difference", *(f"{b}, at {r:g}" for b in BANDS for r in RATES)]]
    pairs = [(NETWORK, "over best mesh", BEST), (NETWORK, "over bound", EXACT)]
    pairs += [(BEST, "over bound", EXACT), (EMISSION, "over bound", EXACT)]
    for name, key, other in pairs:
        if name in arms:
            cells = (signed(e[key]) for b in BANDS for e in arms[name][b])
            rows.append([f"{name} less {other}", *cells])
    return rows


def _default(default: dict[str, Any]) -> Rows:
    rows: Rows = [["band", "found", "false per patch"]]
    rows += [[b, plus(v["found"]), plus(v["false"], 2)] for b, v in default.items()]
    return rows


def _background(d: dict[str, Any]) -> Iterable[Part]:
    yield "Error of ln background", "Rms, and mean.", level_rows(d)


def level_rows(d: dict[str, Any]) -> Rows:
    rows: Rows = [
        ["background", *(f"{b}, {k}" for b in BANDS for k in ("rms", "mean"))]
    ]
    for name, v in d.items():
        cells = ((plus(v[b]["rms"]), signed(v[b]["mean"])) for b in BANDS)
        rows.append([name, *(c for two in cells for c in two)])
    return rows


def _brightness(d: dict[str, Any]) -> Iterable[Part]:
    rows: Rows = [["light", "faint third", "middle", "bright third", "all patches"]]
    rows += [[n, *map(plus, v)] for n, v in d["terciles"].items()]
    text = (
        "Summed prediction over summed true source light, patches by the true one. "
        "On the exact background it is the noise of the photons."
    )
    yield "Brightness, predicted over true", text, rows


def _flux(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Bins of Asimov TS. Forced: fits at the true places of all bright sources, "
        "the others in the model; places with a second source within one pixel are "
        "left out. Detected: what a blind search above TS 25 says, of sources of that "
        "Asimov TS. Width: half the central 68 % of (counts - true) / error."
    )
    yield "Photons of sources", text, flux_rows(d)


def flux_rows(d: dict[str, Any]) -> Rows:
    rows: Rows = [
        [
            "patches", "background", "places", "Asimov TS", "sources", "bias, %",
            "median bias, %", "pull mean", "pull width", "pull std",
        ]
    ]  # fmt: skip
    for kind, arms in d.items():
        for arm, v in arms.items():
            for way in ("forced", "detected"):
                for name, b in v[way].items():
                    rows.append(
                        [
                            kind, arm, way, name, b["number"],
                            signed(b["bias"], 1, 100),
                            signed(b["median bias"], 1, 100),
                            signed(b["pull mean"], 2), plus(b["pull width"], 2),
                            plus(b["pull std"], 2),
                        ]
                    )  # fmt: skip
    return rows


def _null(d: dict[str, Any]) -> Iterable[Part]:
    rows: Rows = [
        ["band", "background", "trials", *(f"TS > {v:g}" for v in d["levels"])]
    ]
    rows.append(["half a chi-squared", "", "", *d["expected"]])
    blind: Rows = [
        [
            "band", "background", "patches",
            *(f"false, TS > {v:g}" for v in d["levels"]), "TS at 0.1 false",
        ]
    ]  # fmt: skip
    for band in NULL:
        for arm in (EXACT, NETWORK):
            v = d[arm][band]
            cells = (_share(p) for p in v["places"])
            rows.append([band, arm, v["trials"], *cells])
            least = plus(v["threshold"], 1) or f"below {v['least']:g}"
            cells = (plus(p, 4) for p in v["false"])
            blind.append([band, arm, d["patches"][band], *cells, least])
    text = (
        "Patches without sources, photons drawn: share of random places where a fit "
        "gives a TS above."
    )
    yield "No sources: random places", text, rows
    text = f"False detections per patch of a blind search. {SIGNIFICANCE}"
    yield "No sources: blind search", text, blind


def _share(pair: list[float | None]) -> str:
    if pair[0] is None:
        return ""
    return f"{pair[0]:.2e} ± {pair[1]:.0e}" if pair[0] else "0"


def _wrong(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"Fine structure: {d['fine']}. The emission is off the model by a smooth field "
        f"of {d['rms']:g} rms (ln), the same on every patch. {EMISSION.capitalize()}: "
        "a model that lacks this field alone, its norms exactly right. Meshes as "
        "above. "
        "Patches " + ", ".join(f"{b}: {n}" for b, n in d["patches"].items()) + "."
    )
    yield "Another sky: bright sources found", text, found_rows(d["detection"])
    yield "Another sky: paired differences", "", differences(d["detection"])
    yield "Another sky: error of ln background", "", level_rows(d["background"])
    yield "Another sky: photons of sources", "", flux_rows({"another sky": d["flux"]})


def _infinite(d: dict[str, Any]) -> Iterable[Part]:
    chosen = "; ".join(
        f"{n}: {v['best']} ("
        + ", ".join(f"{k} steps {r:g}" for k, r in v["rms"].items())
        + f", {v['patches']} patches)"
        for n, v in d["steps"].items()
    )
    text = (
        "Infinite statistics: the network sees the expectation. Light: summed left "
        f"over summed true. {d['patches']} patches. Steps by the error of ln "
        f"background at infinite statistics on other patches: {chosen}."
    )
    light: Rows = [
        ["network, input", "error of ln background", "all", "faint third", "middle",
         "bright third"]
    ]  # fmt: skip
    found: Rows = [
        ["what is searched", "true", "false", "true over raw", "true, paper's count",
         "false, paper's count", "true over raw, paper's count"]
    ]  # fmt: skip
    for name, v in d["arms"].items():
        if v["light"]:
            faint, middle, bright, every = v["light"]
            cells = (plus(p) for p in (every, faint, middle, bright))
            light.append([name, plus(v["background"]), *cells])
        words = name.replace(RAW, "raw map")
        cells = (
            plus(v[way][k], 2)
            for way in ("ours", "paper")
            for k in ("true", "false", "true over raw")
        )
        found.append([words, *cells])
    yield "The paper's mode: light", text, light
    text = (
        "SExtractor's defaults at 3 rms of each map itself, per patch. True: one to "
        "one, any source, with photons one of Asimov TS above 4. The paper's count: "
        "every detection within 5 pixels of any source is true."
    )
    yield "The paper's mode: detections", text, found


_PARTS = {
    "detection": _detection, "background": _background, "brightness": _brightness,
    "flux": _flux, "null": _null, "wrong": _wrong, "infinite": _infinite,
}  # fmt: skip


def card(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a model card: a caption, a table, and notes."""
    s = result["sections"]
    rows: Rows = [["figure", *BANDS]]
    notes = [
        (
            f"{result['patches']} patches of 64 x 64 pixels within the held-out caps; "
            "mean exposure 1.9e11 cm2 s; photons drawn."
        )
    ]
    if "background" in s:
        levels = s["background"][NETWORK]
        cells = (plus(levels[b]["rms"]) for b in BANDS)
        rows.append(["rms of ln background, model", *cells])
    if "detection" in s:
        rows += _card_found(s["detection"]["arms"])
        best = s["detection"]["best mesh"]
        notes += [
            RULES,
            "The best of five meshes of sep was chosen on other patches: "
            + "; ".join(f"{b}: {', '.join(v)}" for b, v in best.items())
            + ".",
        ]
    notes += [*_card_notes(s), NOMINAL, SIGNIFICANCE]
    caption = (
        "Share of bright sources found by one iterative search on different "
        "backgrounds; errors are bootstraps over patches."
    )
    return {"caption": caption, "table": rows, "notes": notes}


def _card_found(arms: dict[str, Any]) -> Rows:
    words = {EXACT: "exact background", NETWORK: "model", BEST: "best sep mesh"}
    return [
        [
            f"found at {rate:g} false per patch, {said}",
            *(plus(arms[name][b][k]["found"]) for b in BANDS),
        ]
        for k, rate in enumerate(RATES)
        for name, said in words.items()
    ]


def _card_notes(s: dict[str, Any]) -> Iterable[str]:
    if "brightness" in s:
        terciles = s["brightness"]["terciles"]
        for name, said in (
            ("source map", "source map"),
            (f"counts - {NETWORK}", "counts - background"),
        ):
            cells = ", ".join(map(plus, terciles[name][:3]))
            yield f"{said} over true sources, patches by tercile of light: {cells}."
    if "flux" in s:
        for kind, arms in s["flux"].items():
            bins = arms[NETWORK]["forced"]
            cells = "; ".join(
                f"{n}: {signed(b['bias'], 1, 100)} %, {plus(b['pull width'], 2)}"
                for n, b in bins.items()
            )
            where = "" if kind == "test" else f" ({kind})"
            yield (
                "Photons of sources fitted at their true places, bias and width of "
                f"pulls by Asimov TS{where}: {cells}."
            )
    if "null" in s:
        cells = "; ".join(
            f"{band}: " + (plus(v["threshold"], 1) or f"below {v['least']:g}")
            for band, v in s["null"][NETWORK].items()
        )
        yield f"TS above which 0.1 false per patch lie, without sources: {cells}."
    if "wrong" in s:
        bands = s["wrong"]["detection"][NETWORK]
        cells = ", ".join(f"{b} {plus(bands[b][0]['found'])}" for b in BANDS)
        yield (
            f"Found at 0.1 false per patch on another sky (fine structure "
            f"{s['wrong']['fine']}, emission 10 % off): {cells}."
        )
