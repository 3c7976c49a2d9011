"""The tables of benchmark.md and the figures of the model card, from benchmark.json."""

from collections.abc import Iterable
from typing import Any

import draws
from arms import ORACLE, PRODUCT
from common import tables
from common.tables import Part, Rows, page, signed, target_rows
from scoring import RATES
from targets import targets

GAIN = (
    "Gain: what is left of a target's peak, by the difference with and without it, "
    "times the scatter in the 21 pixels about it in the frame, over that without the "
    "map. Median and mean: standard deviation; robust: median of gains by the median "
    "absolute deviation. Paper: mean S/N after over mean S/N before, of the highest "
    "pixel at the place."
)
LIMITS = (
    "Gain is at known places; it is no detection.",
    (
        "The gain can be no larger than total over white scatter allows: the oracle's "
        "belongs to these frames and not to a method. Means are carried by the few "
        "targets near bright trails."
    ),
    "A robust gain above the oracle's is noise that was fitted.",
)
SOURCE = (
    "fresh frames of the simulator that also made the training frames: not an "
    "independent test"
)


def markdown(result: dict[str, Any]) -> str:
    """Return the whole page."""
    return page("Satellite benchmark", _head(result), parts(result))


def _head(result: dict[str, Any]) -> list[str]:
    side = result["side"]
    lines = [
        (
            f"- weights {result['weights'][:16]}, seed {result['seed']}, "
            f"{result['frames']} frames of {side} x {side} pixels, {SOURCE}"
        ),
        (
            f"- targets: Gaussians of {draws.SIGMA:g} pix, {draws.TARGETS} in a frame "
            f"for the gain, peak {draws.PEAK:g} x the standard deviation of the frame"
        ),
        "- errors: bootstrap over frames, 1 sigma; differences of arms are paired",
        f"- {GAIN}",
        *(f"- {line}" for line in LIMITS),
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


def plus(pair: list[float | None] | None, digits: int = 2, factor: float = 1) -> str:
    """Return a value with its error, as text: two digits are enough here."""
    return tables.plus(pair, digits, factor)


def gain_rows(arms: dict[str, Any]) -> Rows:
    rows: Rows = [
        [
            "map", "gain, median", "mean", "robust", "paper", "peak kept",
            "share of the oracle's excess, %: median (lower bound)", "mean", "robust",
            "s per frame",
        ]
    ]  # fmt: skip
    for name, v in arms.items():
        gains = [plus(v["gain"][k]) for k in ("median", "mean", "robust")]
        shares = [plus(v["share"][k][:2], 0, 100) for k in ("median", "mean", "robust")]
        low = v["share"]["median"][2]
        if shares[0] and low is not None and name != ORACLE:
            shares[0] += f" ({100 * low:.0f})"
        rows.append(
            [name, *gains, plus(v["paper"]), plus(v["kept"]), *shares,
             f"{v['seconds']:.3g}"]
        )  # fmt: skip
    return rows


def _choice(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"{d['frames']} development frames, of other seeds. The highest median gain of "
        f"those that keep 0.85: {d['best']}. Frozen, the default: {d['frozen']}."
    )
    yield "Time and draws on development frames", text, gain_rows(d["arms"])


def _gain(d: dict[str, Any]) -> Iterable[Part]:
    low, middle, high = d["white"]
    theory = ", ".join(f"{v:g} at t = {t}" for t, v in d["theory"].items())
    text = (
        f"{d['targets']} targets. White noise over the frame's standard deviation: "
        f"median {middle:.2f}, 16 to 84 % {low:.2f} to {high:.2f}. Peak kept by "
        f"theory in a map as a chain has it: {theory}; the mean of many chains tends "
        "to the one-step map of that name, the default has the share of the white "
        "noise taken out. Seconds: taken at different hours; ratios are under Time."
    )
    yield "Gain in signal to noise", text, gain_rows(d["arms"])


def _direction(d: dict[str, Any]) -> Iterable[Part]:
    for kind, v in d.items():
        title = f"Gain, trails at {sum(draws.ANGLES[kind]) / 2:g} deg ({kind})"
        text = f"{v['frames']} frames; trained were 35 deg. "
        text += "The method shows the network the mirror image where that fits."
        yield title, text, gain_rows(v["arms"])


def _equal(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "The map that keeps less of a target is scaled down until both keep the same "
        "(median). The time that comes nearest without it was chosen on development "
        f"frames: {d['chosen']}. First: the network, then the classical layer; "
        "differences paired."
    )
    ways = ("median", "mean", "robust")
    rows: Rows = [
        ["network", "peak kept", "strengths of the maps"]
        + [f"gain, {w}" for w in ways] + [f"difference, {w}" for w in ways]
    ]  # fmt: skip
    for name, v in d["arms"].items():
        both = [" / ".join(plus(p) for p in v["gain"][w]) for w in ways]
        less = [signed(v["less"][w]) for w in ways]
        strength = " / ".join(plus(p) for p in v["strength"])
        rows.append([name, plus(v["kept"]), strength, *both, *less])
    yield "Against the classical layer at equal kept peak", text, rows


def _search(d: dict[str, Any]) -> Iterable[Part]:
    number, (low, high) = draws.BRIGHTER["search"]
    text = (
        f"{d['targets']} targets, {number} in a frame, S/N {low:g} to {high:g} in "
        "white noise, log-uniform. The method's own search (matched filter, ends of "
        "trails and single pixels left out) on every map. A false detection lies "
        "further than 1.5 pixels from any target."
    )
    rows: Rows = [
        ["map", *(f"found at {r:g} false per frame" for r in RATES)]
        + [f"less classical, at {r:g}" for r in RATES] + ["false above S/N 3"]
    ]  # fmt: skip
    for name, v in d["arms"].items():
        less = [signed(p) if name != PRODUCT.name else "" for p in v["less classical"]]
        rows.append([name, *(plus(p, 3) for p in v["found"]), *less, v["false"]])
    yield "Blind search", text, rows


def _flux(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Fluxes at the true places over true ones, less 1, by S/N in white noise. "
        "Corrected: divided by what the method's own artificial targets say is kept. "
        "Found: of a blind search above S/N 5, of those that were found. Pull width: "
        "half the central 68 % of (flux - true) / error. The oracle needs no "
        "correction."
    )
    rows: Rows = [
        ["map", "S/N", "targets", "corrected, median, %", "corrected, mean, %",
         "as left, median, %", "kept, median", "found", "found, median, %",
         "pull width"]
    ]  # fmt: skip
    for name, bins in d["arms"].items():
        for span, b in bins.items():
            percent = (
                signed(b[k], 1, 100) for k in ("median", "mean", "as left", "found")
            )
            median, mean, left, found = percent
            kept = "" if name == ORACLE else plus(b["kept"])
            width = plus(b["pull width"])
            rows.append(
                [name, span, b["number"], median, mean, left, kept, b["found number"],
                 found, width]
            )  # fmt: skip
    yield "Fluxes", text, rows


def _spectra(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Power by radial frequency (cycles per pixel), median over frames without "
        "targets, over the variance of white noise of blank sky; `noise` is the true "
        "photon and read noise. Below 1: noise that was fitted."
    )
    first = next(iter(d["bands"].values()))
    rows: Rows = [["what is left", *first]]
    rows += [[n, *(plus(p) for p in v.values())] for n, v in d["bands"].items()]
    yield "Spectrum of what is left", text, rows


def _chains(d: dict[str, Any]) -> Iterable[Part]:
    few = (
        f"{d['frames']} frames only, all steps, {d['samples']} chains; the other arms "
        "on the same frames."
    )
    yield "The paper's chain", few, gain_rows(d["arms"])
    text = (
        f"The same frames. Map by {d['samples']} whole chains against a one-step map "
        f"of {d['many']} draws, rms in units of white noise. Finite: expected from the "
        "scatter over draws. Beyond: what then is left."
    )
    rows: Rows = [["t", "rms", "finite", "beyond", "correlation"]]
    for t, v in d["equality"].items():
        cells = (plus(v[k], 3) for k in ("rms", "finite", "beyond"))
        rows.append([t, *cells, plus(v["correlation"], 4)])
    yield "One step against the mean of chains", text, rows


def _times(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"One process, one thread, {d['frames']} frames, medians; artificial targets "
        "not counted."
    )
    chains = list(next(iter(d["ratios"].values())))
    rows: Rows = [["map", "s per frame", *(f"chain t = {t} over it" for t in chains)]]
    for name, value in d["seconds"].items():
        cells = (plus(d["ratios"].get(name, {}).get(t), 1) for t in chains)
        rows.append([name, f"{value:.3g}", *cells])
    yield "Time", text, rows


def _sampled(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"{d['frames']} frames drawn from the network against "
        f"{d['training frames']} as in its training. Histogram: half the sum of "
        "absolute differences. Power: rms over frequencies of the difference of ln "
        "power, medians over frames."
    )
    rows: Rows = [["frames", "histogram", "power"]]
    for name, v in d["distances"].items():
        rows.append([name, plus(v["histogram"], 3), plus(v["power"], 3)])
    yield "Frames drawn from the network", text, rows


_PARTS = {
    "gain": _gain, "equal": _equal, "search": _search, "flux": _flux,
    "spectra": _spectra, "chains": _chains, "times": _times, "sampled": _sampled,
    "direction": _direction, "choice": _choice,
}  # fmt: skip


def card(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a model card: a caption, a table, and notes."""
    s = result["sections"]
    side, n = result["side"], result["frames"]
    rows: Rows = [
        ["map", "gain, median", "gain, mean", "gain, robust", "peak kept",
         "share of the oracle's excess, median, %"]
    ]  # fmt: skip
    for name, v in s.get("gain", {}).get("arms", {}).items():
        gains = (plus(v["gain"][k]) for k in ("median", "mean", "robust"))
        share = plus(v["share"]["median"][:2], 0, 100)
        rows.append([name, *gains, plus(v["kept"]), share])
    return {
        "caption": f"Gain in signal to noise at {draws.TARGETS * n} injected "
        f"satellites (Gaussian of {draws.SIGMA:g} pix, peak {draws.PEAK:g} x the "
        f"standard deviation of the frame) on {n} frames of {side} x {side}, {SOURCE}. "
        "Errors are bootstraps over frames.",
        "table": rows,
        "notes": [GAIN, *LIMITS, *_card_notes(s)],
    }


def _card_notes(s: dict[str, Any]) -> Iterable[str]:
    if "equal" in s:
        name = s["equal"]["chosen"]
        v = s["equal"]["arms"][name]
        less = ", ".join(f"{k} {signed(p)}" for k, p in v["less"].items())
        yield (
            f"Gain of {name} less that of the classical layer where both keep "
            f"{plus(v['kept'])} of the peak: {less}."
        )
    if "search" in s:
        d = s["search"]
        low, high = draws.BRIGHTER["search"][1]
        for k, rate in enumerate(RATES):
            cells = ", ".join(
                f"{said} {plus(d['arms'][name]['found'][k], 3)}"
                for said, name in (
                    ("model", d["network"]), ("classical", PRODUCT.name),
                    ("true systematics", ORACLE),
                )
            )  # fmt: skip
            yield (
                f"Found of targets of S/N {low:g} to {high:g} by a blind search at "
                f"{rate:g} false per frame: {cells}."
            )
    if "flux" in s:
        bins = s["flux"]["arms"][s["flux"]["network"]].items()
        cells = "; ".join(f"{n}: {signed(b['median'], 1, 100)} %" for n, b in bins)
        yield f"Bias of corrected fluxes by S/N, median: {cells}."
    if "times" in s:
        ratios = s["times"]["ratios"][s["times"]["network"]].items()
        cells = ", ".join(f"{plus(p, 0)} at t = {t}" for t, p in ratios)
        yield f"Time of the paper's chain over that of the model's one step: {cells}."
    if "direction" in s:
        for kind, v in s["direction"].items():
            own = v["arms"]
            name = next(n for n in own if n not in (ORACLE, PRODUCT.name))
            share = plus(own[name]["share"]["median"][:2], 0, 100)
            yield (
                f"Trails at {sum(draws.ANGLES[kind]) / 2:g} deg, not trained: "
                f"{share} % of the oracle's excess."
            )
    if "sampled" in s:
        d = s["sampled"]["distances"]
        cells = "; ".join(
            f"{n}: {plus(v['histogram'], 3)}, {plus(v['power'], 3)}"
            for n, v in d.items()
        )
        yield (
            "Frames drawn from it against training frames, distance of histograms and "
            f"rms of ln power: {cells}."
        )
