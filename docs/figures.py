"""Write the figures that pages quote, from what the benchmarks measured.

A page has `<!-- figures: NAME -->text<!-- end -->`; the text between is made here from
the results of the benchmarks, so that no number in it is typed by hand.

    python docs/figures.py [--check]
"""

import argparse
import json
import re
import statistics
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speed_figures

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/optical/results"
PAGES = (
    "README.md",
    "docs/gamma.md",
    "docs/large.md",
    "docs/limits.md",
    "docs/napari.md",
    "docs/notebook.md",
    "docs/performance.md",
    "docs/satellites.md",
    "docs/stars-published.md",
    "docs/stars.md",
    "docs/training.md",
)
MARK = re.compile(r"(<!-- figures: (\w+) -->)(.*?)(<!-- end -->)", re.DOTALL)
WIDTH = 88
SEARCHED = "optical centres"  # what the product searches by default
RESAMPLED = "resampled"  # noise without a stated correlation
ENOUGH = 50  # true sources, for a real frame to be quoted


def percent(ratio: float) -> str:
    """Return a ratio as a gain."""
    return f"{100 * (ratio - 1):+.1f}"


def bounded(ratio: list[float]) -> str:
    """Return a gain with half the width of its 68 % bounds."""
    half = 50 * (ratio[2] - ratio[1])
    return f"{percent(ratio[0])} ± {half:.1f}"


def simulated(result: dict[str, Any], *, apart: bool) -> dict[str, Any]:
    """Return what was found on the kinds of one simulator."""
    return {
        k: v["arms"][SEARCHED]["parts"]["all"]
        for k, v in result["kinds"].items()
        if not v["real"] and k != "control" and k.endswith(", apart") is apart
    }


def gains(rows: dict[str, Any]) -> str:
    """List the gains over the strongest classical arm."""
    return ", ".join(
        f"{bounded(r['to_strongest'])} % ({k.removesuffix(', apart')})"
        for k, r in rows.items()
    )


def found(result: dict[str, Any]) -> str:
    """Say what is found more."""
    own, apart = simulated(result, apart=False), simulated(result, apart=True)
    sextractor = [r["ratio"]["sextractor"][0] for r in own.values()]
    control = result["kinds"]["control"]["arms"][SEARCHED]["parts"]["all"]
    real = {
        k: v["arms"][SEARCHED]["parts"]["all"]["to_strongest"]
        for k, v in result["kinds"].items()
        if v["real"] and v["truths"] >= ENOUGH
    }
    frames = ", ".join(f"{bounded(r)} % ({k})" for k, r in real.items())
    return (
        "True sources found at 10 false detections per Mpix, against the strongest "
        f"classical arm, each with its best recipe: {gains(own)} on simulated frames; "
        f"{gains(apart)} on frames of another simulator. Against SExtractor's "
        f"defaults: {percent(min(sextractor))} to {percent(max(sextractor))} %. "
        "On sparse stars in white noise, where nothing is to be gained: "
        f"{bounded(control['to_strongest'])} %. On the few real frames with a deeper "
        f"image as the truth: {frames}."
    )


def noise(result: dict[str, Any]) -> str:
    """Say how many detections pure noise gives."""
    known = [r for r in result["noise"] if r["rho"] != RESAMPLED]
    rhos = [r["rho"] for r in known]
    least = min(r["mpix"] for r in result["noise"])
    out = (
        f"Detections per Mpix of pure noise, neighbour correlation {min(rhos):g} to "
        f"{max(rhos):g}, {least:.0f} Mpix each: {_rates(known)}."
    )
    resampled = [r for r in result["noise"] if r["rho"] == RESAMPLED]
    if resampled:
        out += (
            " Noise that an interpolation has correlated, another one along each axis "
            f"of each frame: {_rates(resampled)}."
        )
    return out


def _rates(rows: list[dict[str, Any]]) -> str:
    parts = []
    for method in ("bgrem", "mesh"):
        said = []
        for point in ("catalogue", "deep"):
            values = [r[point][0] for r in rows if r["method"] == method]
            ends = dict.fromkeys(f"{v:.2g}" for v in (min(values), max(values)))
            said.append(f"{' to '.join(ends)} ({point})")
        parts.append(f"{' and '.join(said)} with `{method}`")
    return "; ".join(parts)


def flux(result: dict[str, Any]) -> str:
    """Say how far forced fluxes are off."""
    parts = []
    for low in ("3-5", "5-10", "10-30", "30-100"):
        values = {
            k: v["bgrem"][low]["forced"]
            for k, v in result["flux"].items()
            if v["bgrem"][low]["forced"][1] is not None
        }
        ends = [f(values, key=lambda k: values[k][1]) for f in (min, max)]
        said = [
            f"{percent(values[k][1])} ± {100 * values[k][2]:.1f} % ({k})" for k in ends
        ]
        parts.append(f"S/N {low}: {' to '.join(said)}")
    return (
        "Median of the flux at the places of true sources over that of the same "
        f"aperture without noise, less one: {'; '.join(parts)}."
    )


def sky(result: dict[str, Any]) -> str:
    """Say how far the sky is off."""
    parts = []
    for scale in ("64", "256"):
        values = [v["bgrem"][scale][0] for v in result["sky"].values()]
        parts.append(f"{min(values):.3f} to {max(values):.3f} sigma at {scale} pix")
    return (
        "Error of the sky far from sources, rms, on frames with a gradient, a "
        f"vignette, a blob and steps between amplifiers: {', '.join(parts)}."
    )


def coverage(result: dict[str, Any]) -> str:
    """Say what UNCERT covers."""
    rows = "; ".join(
        f"{r['class']} {r['within_1'][0]:.0f} and {r['within_2'][0]:.0f} %"
        for r in result["rows"]
    )
    return f"Errors of the denoised image within UNCERT, and within twice it: {rows}."


def artefacts(result: dict[str, Any]) -> str:
    """Say what is flagged as an artefact."""
    seen = result["percent_flagged_error_number"]
    hit = ", ".join(
        f"{seen[k][0]:.0f} % of {k}s" for k in ("cosmic ray", "hot pixel", "streak")
    )
    return (
        f"Of the pixels that artefacts raise by 3 sigma and more are flagged: {hit}; "
        f"of stars, by mistake, {seen['stars'][0]:.2f} ± {seen['stars'][1]:.2f} %."
    )


def scored_as_real(result: dict[str, Any]) -> str:
    """Say what the scoring of real frames does to simulated ones."""
    said = []
    for kind, ways in result["kinds"].items():
        found, drawn = (bounded(way["to_strongest"][SEARCHED]) for way in ways.values())
        said.append(f"{kind} {found} and {drawn} %")
    return (
        "Simulated frames with their noise tripled, scored as the real ones are (by "
        "what a matched filter finds before) and by the sources that were drawn: "
        f"{'; '.join(said)}."
    )


def isolated(result: dict[str, Any]) -> str:
    """Say what is found of stars that stand alone."""
    said = []
    for rho, snr in result["snr"].items():
        rows = [r for r in result["rows"] if r["rho"] == float(rho)]
        each = "; ".join(
            f"FWHM {r['fwhm']:g} pix {100 * r['matched']:.0f}, "
            f"{100 * r['network']:.0f} and {100 * r['sum']:.0f} %"
            for r in rows
        )
        said.append(f"Correlation {float(rho):g}, S/N {snr:g}: {each}")
    return (
        "Stars alone on blank noise, found at 10 false per Mpix by a matched filter of "
        "the right width, by the map of centres, and by the sum of both, which is "
        f"searched (± {100 * result['error']:.0f} %). {'. '.join(said)}."
    )


def robust(result: dict[str, Any]) -> str:
    """Say what a wrong scale of the noise costs."""
    said = []
    for kind, arms in result["robust"].items():
        low, high = (bounded(arms[SEARCHED][told]) for told in ("0.7", "1.4"))
        said.append(f"{kind} {low} and {high} %")
    return (
        "True sources found at 10 false per Mpix, with the noise taken for 0.7 and for "
        f"1.4 times what it is: {'; '.join(said)}."
    )


def ablations(result: dict[str, Any]) -> str:
    """Tabulate what each choice behind the weights is worth at equal steps."""
    kinds = result["kinds"]
    head = [
        "variant", "parameters", "error of the noise",
        *(f"{k}, light" for k in kinds), *(f"{k}, centres" for k in kinds),
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for row in result["rows"]:
        mae = row["held_out_mae"]
        cells = [
            row["name"], f"{row['parameters']:,}",
            f"{mae[0]:.3f} ± {mae[1]:.3f}" if mae else "another target",
        ]  # fmt: skip
        for arm in ("optical", SEARCHED):
            found = (row["to_strongest"][k].get(arm) for k in kinds)
            cells += [f"{bounded(f)} %" if f else "-" for f in found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def window(result: dict[str, Any]) -> str:
    """Say what a large frame takes in the window, and how the window answers."""
    napari = ROOT / "benchmarks/napari/results"
    click = json.loads((napari / "click.json").read_text())
    gaps = json.loads((napari / "responsive.json").read_text())
    side, steps = result["size"], result["steps"]
    above = gaps["run_above_repaint_ms"]
    end = statistics.median(r["end"]["longest_ms"] for r in gaps["rounds"]) / 1000
    shown = gaps["size"]
    than = "more" if above >= 0 else "less"
    return (
        f"A frame of {side} x {side} pixels was opened in "
        f"{steps['opened']['wall_s']:.0f} s and cleaned in "
        f"{steps['cleaned']['wall_s'] / 60:.0f} minutes on two busy cores; own memory, "
        f"napari included, stayed below {result['peak_MB']} MB. With a network at work "
        f"the longest time without an answer was {abs(above):.0f} ms {than} than that "
        f"of repainting alone; when a result of {shown} x {shown} pixels is put up for "
        f"comparison the window stands still for {end:.1f} s. A click takes "
        f"{click['median_ms']['total']:.0f} ms. (`benchmarks/napari`)"
    )


def page(result: dict[str, Any]) -> str:
    """Say how the widget answers in a page."""
    about, got = result["about"], result["measured"]
    side, medium = about["large"], about["medium"]
    sent = got["bytes_of_result"] * medium**2 / 1e6
    return (
        f"In JupyterLab on {about['cores']} busy cores a file of {side} x {side} "
        f"pixels shows its first picture {got['large_first_picture']:.1f} s after the "
        f"call, and is sharp {got['large_sharp']:.1f} s after a jump at full size. A "
        f"click shows its numbers after {got['click_to_label.lab']:.0f} ms; strength "
        f"is drawn after {got['strength_to_redraw']:.0f} ms, one frame of a pan takes "
        f"{got['pan_p50']:.1f} ms. A result of {medium} x {medium} pixels sends "
        f"{sent:.1f} MB; a saved notebook with a picture has "
        f"{got['notebook_size']:.0f} kB. (`benchmarks/notebook`)"
    )


def photons(result: dict[str, Any]) -> str:
    """Say what is found in photons."""
    arms = result["sections"]["detection"]["arms"]
    names = {
        "network": "on the network's background",
        "best mesh": "on that of the best mesh",
        "exact background": "on the true one",
    }
    bands = "; ".join(
        f"{band} deg: "
        + ", ".join(f"{share(arms[n][band][0]['found'])} {w}" for n, w in names.items())
        for band in ("|b| > 20", "|b| < 20")
    )
    off = result["sections"]["background"]["network"]["all"]["rms"]
    return (
        "Photons of gamma rays, on simulated patches of a part of the sky that the "
        "network has not seen: one search finds of sources with TS above 25, at 0.1 "
        f"false ones per patch of 13 x 13 deg, at {bands}. The background is right to "
        f"{share(off)} rms (natural log)."
    )


def photon_fluxes(result: dict[str, Any]) -> str:
    """Say how far photons of sources and their errors are off."""
    flux = result["sections"]["flux"]
    kinds = {
        "nominal PSF": "with the PSF of the fit",
        "test": "with one 10 % off or less",
    }
    parts = []
    for kind, words in kinds.items():
        rows = [v for k, v in flux[kind]["network"]["forced"].items() if k != "all"]
        bias = ", ".join(f"{100 * r['bias'][0]:+.1f}" for r in rows)
        pulls = ", ".join(f"{r['pull width'][0]:.2f}" for r in rows)
        parts.append(f"{words} {bias} % and {pulls}")
    found = flux["test"]["network"]["detected"]["25-50"]["bias"]
    return (
        "Bias and width of pulls at the places of true sources, TS 25 to 50, 50 to "
        f"100, 100 to 400 and above: {'; '.join(parts)}. Of sources that were found, "
        f"those of TS 25 to 50 come out too bright by {share(found)}."
    )


def photon_noise(result: dict[str, Any]) -> str:
    """Say what the background alone gives."""
    null = result["sections"]["null"]["network"]
    bands = "; ".join(
        f"{band} deg: {rows['false'][2][0]:.2g} of TS above 25 per patch, 0.1 above TS "
        f"{rows['threshold'][0]:.0f}"
        for band, rows in null.items()
    )
    other = result["sections"]["wrong"]["detection"]["network"]
    low = "|b| < 20"
    return (
        f"On patches without sources a search finds {bands}. On a sky with another "
        "fine structure and an emission that is 10 % off, "
        f"{share(other[low][0]['found'])} of the bright sources at {low} deg are found "
        "at 0.1 false per patch."
    )


def satellites(result: dict[str, Any]) -> str:
    """Say what is gained on frames of satellites."""
    s = result["sections"]
    gain, search = s["gain"], s["search"]
    own, other = gain["arms"][gain["network"]], gain["arms"]["classical"]
    shares = (share(arm["share"]["median"][:2]) for arm in (own, other))
    means = (share(arm["share"]["mean"][:2]) for arm in (own, other))
    arms = {
        "the model": search["network"],
        "the classical map": "classical",
        "the true background": "oracle: the true systematics",
    }
    found = "; ".join(
        f"{words} {' and '.join(share(p) for p in search['arms'][name]['found'])}"
        for words, name in arms.items()
    )
    return (
        f"Frames of satellites, {result['frames']} fresh ones of the simulator that "
        f"made the training frames, {gain['targets']} faint targets: of the signal to "
        "noise that taking the true background off would gain, the map gains "
        f"{next(shares)} in the median (classical: {next(shares)}) and {next(means)} "
        f"in the mean (classical: {next(means)}), and leaves {share(own['kept'])} of a "
        f"target's peak (classical: {share(other['kept'])}). A blind search at 0.1 and "
        f"at 1 false detection per frame finds of targets of S/N 4 to 16 with {found}."
    )


def satellite_fluxes(result: dict[str, Any]) -> str:
    """Say how far corrected fluxes of satellites are off."""
    flux = result["sections"]["flux"]
    bins = flux["arms"][flux["network"]].items()
    cells = ", ".join(
        f"{100 * b['median'][0]:+.1f} ± {100 * b['median'][1]:.1f} % (S/N {name})"
        for name, b in bins
    )
    pulls = ", ".join(f"{b['pull width'][0]:.2f}" for _, b in bins)
    return f"Corrected fluxes at true places, median: {cells}; width of pulls {pulls}."


def satellite_chains(result: dict[str, Any]) -> str:
    """Say how one step compares with the paper's chain."""
    s = result["sections"]
    times, chains = s["times"], s["chains"]
    ratio = times["ratios"][times["network"]].items()
    faster = ", ".join(f"{p[0]:.0f} (t = {t})" for t, p in ratio)
    kept = ", ".join(
        f"{100 * v['kept'][0]:.0f} %"
        for name, v in chains["arms"].items()
        if name.startswith("chain")
    )
    beyond = ", ".join(f"{v['beyond'][0]:.3f}" for v in chains["equality"].values())
    return (
        f"On {chains['frames']} frames with all steps the chain takes {faster} times "
        f"as long as one step and leaves {kept} of a target's peak. The mean of its "
        f"{chains['samples']} samples differs from a one-step map that keeps what a "
        f"chain absorbs by {beyond} of the white noise (rms), what the finite number "
        "of draws makes taken off."
    )


def published_stars(result: dict[str, Any]) -> str:
    """Tabulate the published figures of star removal and what they measure."""
    head = [
        "image", "PSNR, dB", "SSIM", "paper", "mean error", "PSNR without it", "SSIM",
    ]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name, row in result["table"]["rows"].items():
        paper = row.get("published") or {}
        cells = [
            name, f"{row['psnr']:.2f}", f"{row['ssim']:.3f}",
            f"{paper['psnr']:.2f}, {paper['ssim']:.3f}" if paper else "",
            f"{row['bias']:+.1f}", f"{row['psnr_level']:.2f}",
            f"{row['ssim_level']:.3f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def wrapped_errors(result: dict[str, Any]) -> str:
    """Say what the published mean absolute errors are."""
    said = []
    for name, row in result["table"]["rows"].items():
        if "mae" in (row.get("published") or {}):
            said.append(
                f"{name}: the paper has {row['published']['mae']:.1f}, unsigned bytes "
                f"give {row['mae_wrapped']:.1f}, the error is {row['mae']:.1f}"
            )
    return f"{'. '.join(said)}."


def star_light(result: dict[str, Any]) -> str:
    """Say how much light of stars a diffusion leaves where they were."""
    theirs = "; ".join(
        f"{100 * row['star light left']:.0f} % ({name})"
        for name, row in result["table"]["rows"].items()
        if "star light left" in row
    )
    mean = result["spread"]["mean"]
    below, whole = (share(mean[f"{k}, 200"]) for k in ("below white", "all"))
    return (
        f"Light of stars that is still where they were, on their picture: {theirs}. On "
        f"{result['spread']['fields']} simulated linear fields, mapped to grey levels "
        f"by percentiles, their program leaves {below} of what is below white, and "
        f"{whole} of all light, of which the clipping had its share."
    )


def removed_stars(result: dict[str, Any]) -> str:
    """Tabulate what removing stars reaches on each set, and what others do."""
    quality = result["sections"]["quality"]
    arms = {
        "ours": "psf (ours)", "mask": "mask (ours)", "sep": "sep mask, biharmonic",
        "Cohen & Lu": "Cohen & Lu 2021, n = 10", "nothing": "nothing",
    }  # fmt: skip
    arms = {k: _named(quality, v) for k, v in arms.items()}
    head = ["scenes", *arms, "ours, noise-free", "SSIM", "light left, %"]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for name, s in quality.items():
        own = s["arms"][arms["ours"]]
        cells = [f"{name}, {STAR_SCENES[name]}"]
        cells += [_within(s["arms"][arm]["noisy"]["psnr"]) for arm in arms.values()]
        cells += [_within(own["clean"]["psnr"]), f"{own['noisy']['ssim'][0]:.3f}"]
        cells.append(f"{100 * own['left'][0]:.1f} ± {100 * own['left'][1]:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(quality: dict[str, Any], name: str) -> str:
    """Return the arm whose name begins as this one does."""
    some = next(iter(quality.values()))["arms"]
    return next(a for a in some if a.startswith(name.split(", n =")[0]))


def _within(pair: list[float]) -> str:
    return f"{pair[0]:.1f} ± {pair[1]:.1f}"


def removed_stars_cost(result: dict[str, Any]) -> str:
    """Say what removing stars does to galaxies and streaks, and what it costs."""
    s = result["sections"]
    own = "psf (ours)"
    galaxy, streaks = s["quality"]["D"]["arms"][own], s["streaks"]["arms"][own]
    scenes = result["scenes"]
    rates = ", ".join(
        f"{row[own]['rate']:.2f} ({stars} stars)" for stars, row in s["speed"].items()
    )
    costs = ", ".join(
        f"{name} {max(v['cost'][0] for v in told.values()):+.2f}"
        for name, told in s["told"].items()
    )
    changes = [
        v[k]
        for sets in s["scaled"]["changes"].values()
        for v in sets.values()
        for k in ("support", "filled")
    ]
    return (
        f"Of {galaxy['galaxies']} galaxies on {scenes} scenes "
        f"{share(galaxy['losing'])} lose more than a tenth of their light; the median "
        f"change is {100 * galaxy['change'][0]:+.2f} %. Streaks keep "
        f"{share(streaks['off stars'])} of their light off the stars. A FWHM that is "
        f"told wrong by half costs at most, in dB: {costs}. An image in other units, "
        f"or shifted, changes {sum(changes):.0f} pixels of the masks. One core does "
        f"{rates} megapixels a second, on frames of 512 x 512 pixels."
    )


def share(pair: list[float]) -> str:
    """Return a share in percent, with its error."""
    return f"{100 * pair[0]:.1f} ± {100 * pair[1]:.1f} %"


GAMMA = "../../gamma/results/benchmark.json"
SATELLITES = "../../satellites/results/benchmark.json"
TABLE_2 = "../../stars/results/table2.json"
STARS = "../../stars/results/benchmark.json"
STAR_SCENES = {
    "A": "sparse", "B": "dense", "C": "bright", "D": "galaxies", "E": "FWHM 4.5",
    "S": "streaks",
}  # fmt: skip
SENTENCES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "found": ("benchmark.json", found),
    "scored_as_real": ("scored_as_real.json", scored_as_real),
    "noise": ("benchmark.json", noise),
    "isolated": ("isolated.json", isolated),
    "robust": ("benchmark.json", robust),
    "flux": ("benchmark.json", flux),
    "sky": ("benchmark.json", sky),
    "coverage": ("coverage.json", coverage),
    "artefacts": ("artefacts.json", artefacts),
    "ablations": ("ablations.json", ablations),
    "window": ("../../napari/results/large_frame.json", window),
    "page": ("../../notebook/results/results.json", page),
    "photons": (GAMMA, photons),
    "photon_fluxes": (GAMMA, photon_fluxes),
    "photon_noise": (GAMMA, photon_noise),
    "satellites": (SATELLITES, satellites),
    "satellite_fluxes": (SATELLITES, satellite_fluxes),
    "satellite_chains": (SATELLITES, satellite_chains),
    "published_stars": (TABLE_2, published_stars),
    "wrapped_errors": (TABLE_2, wrapped_errors),
    "star_light": (TABLE_2, star_light),
    "removed_stars": (STARS, removed_stars),
    "removed_stars_cost": (STARS, removed_stars_cost),
    **speed_figures.SENTENCES,
}
"""What makes the text of each name, and from which result."""


def filled(page: str) -> str:
    """Return a page with its figures as they were measured."""

    def fill(match: re.Match[str]) -> str:
        file, say = SENTENCES[match[2]]
        text = say(json.loads((RESULTS / file).read_text()))
        if not text.startswith("|"):
            text = textwrap.fill(text, WIDTH)
        return f"{match[1]}\n{text}\n{match[4]}"

    return MARK.sub(fill, page)


def main() -> int:
    """Fill the pages, or tell which are not as measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    old = []
    for name in PAGES:
        page = (ROOT / name).read_text("utf-8")
        new = filled(page)
        if new == page:
            continue
        old.append(name)
        if not check:
            beside = ROOT / f"{name}.new"
            beside.write_text(new, "utf-8")
            beside.replace(ROOT / name)
    print(*(old or ["as measured"]))
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
