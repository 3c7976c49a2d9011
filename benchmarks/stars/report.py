"""The tables of benchmark.md, from benchmark.json alone."""

from collections.abc import Iterable
from typing import Any

from common import tables
from common.tables import Part, Rows, page, signed, target_rows
from further import RATES
from lines import ANGLE, APART, SHORT
from real import LEVEL, ROUND, SMALL
from scoring import FAINTEST, GONE, MATCH, TOP
from shapes import BRIGHT, NEAR
from star_scenes import SETS
from targets import targets

MEASURES = (
    (
        "PSNR, SSIM (windows of 7 x 7): range from the least pixel of the truth to its "
        f"{TOP:g} percentile. MAE in electrons."
    ),
    (
        "Two truths without stars: with the very noise of the image, which a method "
        "reaches that changes nothing else, and without noise, which favours methods "
        "that smooth. Both are quoted."
    ),
    (
        "Inside: pixels where starlight exceeds the noise of a pixel. rms there and "
        "outside in units of that noise. Left: light above the truth inside, over what "
        "the image has there; below 0 too much was taken."
    ),
)


def plus(pair: list[float | None] | None, digits: int = 2, factor: float = 1) -> str:
    """Return a value with its error, as text: two digits are enough here."""
    return tables.plus(pair, digits, factor)


def markdown(result: dict[str, Any]) -> str:
    """Return the whole page."""
    return page("Star removal", _head(result), parts(result))


def _head(result: dict[str, Any]) -> list[str]:
    side, kind = result["side"], result["kind"]
    sets = "; ".join(f"{n} {SETS[n]}" for n in result["sets"])
    lines = [
        (
            f"- {result['scenes']} scenes of each set, {side} x {side} pixels, seed "
            f"{result['seed']} ({kind}), simulator {result['simulator']}: {sets}"
        ),
        (
            "- scenes of the simulator of this package, whose PSF (Moffat, halo, "
            "spikes, up to 5 % elliptical) is kind to PSF subtraction; uncorrelated "
            "noise"
        ),
        (
            "- every arm is given the image alone; diffusions by percentiles as grey "
            "levels, for which their authors give no recipe, and not tuned by hand"
        ),
        "- errors: bootstrap over scenes, 1 sigma; differences of arms are paired",
        *(f"- {m}" for m in MEASURES),
    ]
    return [*lines, *(f"- skipped: {s}" for s in result["skipped"])]


def parts(result: dict[str, Any]) -> Iterable[Part]:
    """Yield title, text and rows of all tables that have something to say."""
    s = result["sections"]
    rows = target_rows(targets(s))
    if len(rows) > 1:
        yield "Targets", "Reached or not by the values, errors aside.", rows
    for name, make in _PARTS.items():
        if name in s:
            yield from make(s[name])


def _quality(d: dict[str, Any]) -> Iterable[Part]:
    for name, s in d.items():
        said = {
            n: v["words"] for n, v in s["arms"].items() if v["words"]
        }  # fmt: skip
        text = (
            f"{s['stars']} stars above S/N {FAINTEST:g} in a scene, footprints "
            f"{plus(s['footprint'], 1, 100)} % of the pixels. Range of the truth with "
            f"its noise {plus(s['range'], 0)} e-, noise of a pixel "
            f"{plus(s['noise'], 1)} e-: twice the range is 6 dB more at equal errors."
        )
        text += "".join(f" {n} said: {'; '.join(w)}." for n, w in said.items())
        yield f"{name}: {SETS[name]}", text, _quality_rows(s)
    yield from _complete(d)
    yield from _galaxies(d)
    yield from _kept_word(d)


def _quality_rows(s: dict[str, Any]) -> Rows:
    rows: Rows = [
        [
            "arm", "PSNR, with noise, dB", "ours ahead by", "SSIM", "MAE",
            "PSNR, noise-free, dB", "ours ahead by", "SSIM", "MAE", "rms inside",
            "outside", "light left, %", "pixels changed, %",
        ]
    ]  # fmt: skip
    for name, v in s["arms"].items():
        cells = []
        for kind in ("noisy", "clean"):
            a = v[kind]
            ahead = s["ahead"].get(name)
            cells += [
                plus(a["psnr"]), signed(ahead[kind], 2) if ahead else "",
                plus(a["ssim"], 4), plus(a["mae"], 1),
            ]  # fmt: skip
        rows.append([
            name, *cells, plus(v["inside"]), plus(v["outside"], 3),
            plus(v["left"], 1, 100), plus(v["changed"], 1, 100),
        ])  # fmt: skip
    return rows


def _complete(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"Share of stars, by S/N against the noise of the starless scene, of whose "
        f"light within one FWHM less than {GONE:g} is left, or taken too much. Listed: "
        f"the method's own list has a star within {MATCH:g} pixels. False: it has one "
        "where none is."
    )
    first = next(iter(next(iter(d.values()))["arms"].values()))["gone"]
    rows: Rows = [["set", "arm", *(f"S/N {b}" for b in first), "listed", "false"]]
    for name, s in d.items():
        for arm, v in s["arms"].items():
            rows.append([name, arm, *(plus(p, 3) for p in v["gone"].values()),
                         v.get("list"), v.get("false")])  # fmt: skip
            if "listed" in v:
                own = (plus(p, 3) for p in v["listed"].values())
                rows.append([name, f"{arm}, listed", *own, None, None])
    yield "Stars removed", text, rows


def _galaxies(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Change of the light within 1.5 half-light radii, against the starless truth "
        "with its noise, over the galaxy's own light there."
    )
    rows: Rows = [
        ["set", "arm", "galaxies", "losing over 10 %, %", "gaining over 10 %, %",
         "median change, %", "median size of change, %"]
    ]  # fmt: skip
    for name, s in d.items():
        for arm, v in s["arms"].items():
            if "galaxies" in v:
                rows.append([
                    name, arm, v["galaxies"], plus(v["losing"], 1, 100),
                    plus(v["gaining"], 1, 100), plus(v["change"], 3, 100),
                    plus(v["size of change"], 3, 100),
                ])  # fmt: skip
    if len(rows) > 1:
        yield "Light of galaxies", text, rows


def _kept_word(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Pixels over all scenes. Sum: largest difference of starless and stars "
        "together to the image, in units in the last place of the larger one."
    )
    rows: Rows = [
        ["set", "arm", "changed outside of the support", "filled outside of it",
         "filled, %", "sum"]
    ]  # fmt: skip
    for name, s in d.items():
        for arm, v in s["arms"].items():
            if "ulps" in v:
                filled, ulps = plus(v["filled"], 2, 100), f"{v['ulps']:.2g}"
                rows.append([name, arm, v["beyond"], v["filled beyond"], filled, ulps])
    if len(rows) > 1:
        yield "What a method says of itself", text, rows


def _shapes(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"{d['galaxies']} galaxies of S/N above {BRIGHT:g} with a star within {NEAR:g} "
        "half-light radii, off the edges, not blended: differences to what the "
        "starless truth with its noise gives. Asymmetry: of half a turn, within "
        f"{NEAR:g} half-light radii, what noise adds taken off. Index: of a Sersic "
        "profile fitted with the PSF. Sizes: of absolute differences."
    )
    rows: Rows = [["arm"]]
    for key in ("asymmetry", "Sersic index"):
        rows[0] += [f"{key}: median", "median size", "size, 90 %"]
    for name, v in d["arms"].items():
        cells = []
        for key, digits in (("asymmetry", 3), ("index", 2)):
            way = v[key]
            cells += [signed(way["median"], digits), plus(way["size"], digits),
                      plus(way["worst"], digits)]  # fmt: skip
        rows.append([name, *cells])
    yield "Shapes of galaxies with a star on them", text, rows


def _streaks(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"{d['streaks']} streaks of {SHORT:g} pixels and more inside the frame. Light "
        "kept: by the streak's own profile, where no star outshines the noise, and "
        "everywhere, where star light that is left counts too; the least one. Lines: "
        f"share of streaks found by a Hough transform (within {ANGLE:g} degrees, and "
        f"{APART:g} pixels of the middle) at equal numbers of false lines in a scene."
    )
    rows: Rows = [
        ["image", "light kept", "the least", "everywhere",
         *(f"found at {r:g} false" for r in RATES)]
    ]  # fmt: skip
    for name, v in d["arms"].items():
        least = "" if v["least"] is None else f"{v['least']:.3f}"
        rows.append([name, plus(v["off stars"], 3), least, plus(v["whole"], 3),
                     *(plus(p, 3) for p in v["found"])])  # fmt: skip
    yield "Streaks", text, rows


def _told(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "PSNR against the truth with noise, less that with the width told, dB; "
        "positive is a loss. The worst scene beside it."
    )
    factors = list(next(iter(d.values())))
    head = [w for f in factors for w in (f"FWHM told {f}", "worst")]
    rows: Rows = [["set", *head]]
    for name, v in d.items():
        cells = [
            c
            for f in factors
            for c in (signed(v[f]["cost"], 2), f"{v[f]['worst']:.2f}")
        ]  # fmt: skip
        rows.append([name, *cells])
    yield "A wrong FWHM", text, rows


def _scaled(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"{d['scenes']} scenes of each set, float32: pixels in which support and "
        "filled ones differ; largest difference of the starless image, in the noise of "
        "a pixel."
    )
    rows: Rows = [["image", "set", "support", "filled", "largest difference"]]
    for change, sets in d["changes"].items():
        for name, v in sets.items():
            rows.append([change, name, v["support"], v["filled"], f"{v['off']:.2g}"])
    yield "Other units", text, rows


def _speed(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        "Megapixels of a second of one core's CPU time, the best of three, all arms in "
        "turn in one process on one scene like A; and speed over that of Cohen & Lu."
    )
    head = [w for n in d for w in (f"{n} stars, Mpix/s", "over Cohen & Lu")]
    rows: Rows = [["arm", *head]]
    for name in next(iter(d.values())):
        cells = []
        for v in d.values():
            ratio = v[name]["ratio"]
            cells += [f"{v[name]['rate']:.3g}", "" if ratio is None else f"{ratio:.3g}"]
        rows.append([name, *cells])
    yield "Speed", text, rows


def _frames(d: dict[str, Any]) -> Iterable[Part]:
    text = (
        f"No truth: detections by sep at {LEVEL:g} sigma of the input that are left; "
        f"points are those with half of their light within {SMALL:g} FWHM and axes "
        f"within {ROUND:g}. Holes: what lies below the sky of the result by {LEVEL:g} "
        "sigma of the smoothed input. The mask of sep fills what sep detects: that it "
        "leaves none says nothing of galaxies."
    )
    rows: Rows = [["frame", "arm", "points", "all", "holes", "filled, %", "said"]]
    for name, arms in d.items():
        for arm, v in arms.items():
            filled = "" if v["filled"] is None else f"{100 * v['filled']:.1f}"
            side = " x ".join(map(str, v["shape"]))
            words = f"{name}, {side}, FWHM {v['fwhm']:.1f}"
            rows.append([words, arm, v["points"], v["all"], v["holes"], filled,
                         v["words"]])  # fmt: skip
    if len(rows) > 1:
        yield "Frames of telescopes", text, rows


_PARTS = {
    "quality": _quality, "shapes": _shapes, "streaks": _streaks, "told": _told,
    "scaled": _scaled, "speed": _speed, "frames": _frames,
}  # fmt: skip
