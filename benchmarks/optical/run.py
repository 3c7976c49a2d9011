"""The optical benchmark: every arm on simulated and real frames, one command.

python benchmarks/optical/run.py [--out FOLDER] [--kinds ...] [--arms ...] [--toy]
                                 [--model NAME|PATH]

Everything that was measured is kept in runs/bench, by frame, weights and version: a run
that was stopped goes on where it was, and new weights only recompute their own arms.
Results: benchmark.json, and benchmark.md and pictures from it alone.
"""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

# One thread: the ratios of speed are those of one core, and others may work here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import arms
import detection
import discs
import figures
import flux
import frames
import noise
import real
import report
import robust
import sky
import speed
from cache import Cache
from denoiser import Denoiser

from bgrem_core.errors import BGRemError

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "bench"
SEARCH = 2  # raised when the product finds other sources with equal weights
PARTS = ("flux", "sky", "blank", "noise", "discs", "robust", "speed")
NOTES = (
    (
        "frames from the simulator that also makes the training fields, with other "
        "seeds: not an independent test; those named apart come from another simulator"
    ),
    (
        "networks were told the true noise correlation and gain; matched filter and "
        "evidence of centres the true FWHM; on real frames all of it is measured"
    ),
    "control: sparse stars of one shape in white noise, where a gain would be an error",
)


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [*frames.KINDS, *real.KINDS]
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--kinds", nargs="+", choices=known, metavar="KIND")
    parser.add_argument("--arms", nargs="+", choices=arms.ALL, metavar="ARM")
    parser.add_argument(
        "--parts",
        nargs="*",
        choices=PARTS,
        default=list(PARTS),
        metavar="PART",
        help=f"beside detections: {', '.join(PARTS)}",
    )
    parser.add_argument("--model", default="optical", help="weights: name or path")
    parser.add_argument("--toy", action="store_true", help="one small frame a kind")
    parser.add_argument(
        "--artefacts",
        action="store_true",
        help="cosmic rays, hot pixels and trails on the frames",
    )
    parser.add_argument("--work", type=Path, default=WORK, help="frames and cache")
    parser.add_argument("--data", type=Path, default=real.DATA, help="real frames")
    chosen = parser.parse_args(argv)
    chosen.kinds = chosen.kinds or (list(frames.KINDS) if chosen.toy else known)
    chosen.arms = chosen.arms or list(arms.ALL)
    return chosen


def load_frames(o: argparse.Namespace, name: str) -> list[frames.Frame]:
    if name in real.KINDS:
        return real.load(name, o.data)
    return frames.simulated(
        name, folder=o.work / "frames", toy=o.toy, artefacts=o.artefacts
    )


def run(o: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for; return what goes into the JSON."""
    chosen, skipped = arms.arms(o.arms, model=o.model)
    cache = Cache(o.work / ("toy.jsonl" if o.toy else "measured.jsonl"))
    result: dict[str, Any] = {
        "version": detection.VERSION,
        "seed": frames.SEED,
        "toy": o.toy,
        "artefacts": o.artefacts,
        "arms": list(chosen),
        "notes": list(NOTES),
        "skipped": skipped,
        "kinds": {},
    }
    for name in o.kinds:
        mine = load_frames(o, name)
        if not mine:
            skipped.append(f"{name}: its data are not here")
            continue
        result["kinds"][name] = detection.run_kind(mine, chosen, cache)
    networks = {
        n: Denoiser(o.model if n == "optical" else n)
        for n in arms.MODELS
        if n in chosen
    }
    if networks:
        # The model that was asked for; the key that a model card is checked by.
        result["weights"] = networks.get(
            "optical", next(iter(networks.values()))
        ).digest
        result["digests"] = {n: d.digest for n, d in networks.items()}
    _other_parts(o, result, chosen, networks, cache)
    result["figures"] = report.card(result)
    result["cache"] = {"computed": cache.computed, "reused": cache.reused}
    return result


def _other_parts(
    o: argparse.Namespace,
    result: dict[str, Any],
    chosen: dict[str, arms.Arm],
    networks: dict[str, Denoiser],
    cache: Cache,
) -> None:
    kinds = {
        k: [f for f in load_frames(o, k) if f.sky == "structured"]
        for k in result["kinds"]
        if k in frames.KINDS
    }
    own = {k: v for k, v in kinds.items() if not frames.KINDS[k].apart}
    methods = {"mesh": ("", "")}
    if "optical" in networks:
        methods["bgrem"] = o.model, networks["optical"].digest
    # What is found depends on the card, too: its thresholds and its calibration.
    searched = {
        n: (m, d and f"{d} {SEARCH} {networks['optical'].searched}")
        for n, (m, d) in methods.items()
    }
    product = {
        name: networks["optical"]
        for name in ("optical", arms.CENTRES)
        if name in chosen and "optical" in networks
    }
    parts = {
        "flux": lambda: flux.run(kinds, searched, cache),
        "sky": lambda: sky.run(kinds, methods, cache),
        "blank": lambda: sky.run_blank(kinds, chosen, cache),
        "noise": lambda: noise.run(searched, cache, toy=o.toy),
        "discs": lambda: discs.run(networks, cache, toy=o.toy),
        "robust": lambda: robust.run(own, product, _recipes(result), cache),
        "speed": lambda: _speed(kinds, chosen, result),
    }
    for name in o.parts:
        result[name] = parts[name]()


def _recipes(result: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (kind, name): arm["best"]
        for kind, v in result["kinds"].items()
        for name, arm in v["arms"].items()
    }


def _speed(
    kinds: dict[str, list[frames.Frame]],
    chosen: dict[str, arms.Arm],
    result: dict[str, Any],
) -> dict[str, Any]:
    """Time all arms on one frame, of the kind that has the most arms."""
    if not kinds:
        return {}
    kind = max(kinds, key=lambda k: len(result["kinds"][k]["arms"]))
    measured = result["kinds"][kind]["arms"]
    best = {n: (a["best"], a["threshold"]) for n, a in measured.items()}
    return speed.run(kinds[kind][0], chosen, best)


def main(argv: list[str] | None = None) -> int:
    o = options(argv)
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = run(o)
    except BGRemError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    result["minutes"] = round((time.monotonic() - start) / 60, 1)
    o.out.mkdir(parents=True, exist_ok=True)
    (o.out / "benchmark.json").write_text(json.dumps(result, indent=1) + "\n")
    report.write(result, o.out / "benchmark.md")
    drawn = figures.draw(result, o.out)
    for line in result["skipped"]:
        print(f"skipped: {line}")
    if not drawn:
        print("skipped: pictures: no matplotlib here (dependency group bench)")
    print(f"{cache_line(result)}, {result['minutes']} minutes")
    return 0


def cache_line(result: dict[str, Any]) -> str:
    c = result["cache"]
    return f"computed {c['computed']}, reused {c['reused']}"


if __name__ == "__main__":
    sys.exit(main())
