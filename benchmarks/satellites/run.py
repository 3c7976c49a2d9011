"""The satellite benchmark: one command.

python benchmarks/satellites/run.py [--model NAME|FILE] [--frames N] [--chains N]
                                    [--sampled N] [--only SECTION ...]

Everything that was measured is kept in runs/satellite_bench, by frames, arm and
weights: a run that was stopped goes on where it was, and new weights only recompute
their own arms. Results: benchmark.json, and benchmark.md and pictures from it.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One thread each: others may work here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(1, str(Path(__file__).parents[1]))

import chains
import examples
import figures
import gain
import report
import sampled
import search
from bench import SEED, Bench
from cache import VERSION, Cache
from common.command import pool, read, replace
from disc import FILE
from draws import SIDE

from bgrem_core.ddpm import STEPS
from bgrem_core.errors import BGRemError
from bgrem_core.models import find_file, load_model

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "satellite_bench"
SECTIONS: dict[str, Callable[[Bench], Any]] = {
    "choice": gain.choice,
    "gain": gain.run,
    "equal": gain.equal,
    "spectra": gain.spectra,
    "search": search.run,
    "flux": search.flux,
    "direction": gain.direction,
    "chains": chains.run,
    "times": chains.times,
    "sampled": sampled.run,
}


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="satellites", help="weights: name or file")
    parser.add_argument("--frames", type=int, default=60, help="of the test set")
    parser.add_argument("--chains", type=int, default=3, help="frames of the chain")
    parser.add_argument(
        "--sampled", type=int, default=16, help="frames drawn from the network"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        metavar="SECTION",
        help=f"some of {', '.join(SECTIONS)}; the others stay as they are in the JSON",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, default=WORK, help="what is kept")
    parser.add_argument("--disc", type=Path, default=FILE, help="weights of disc.py")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--side", type=int, default=SIDE, help="of a frame, pixels")
    return parser.parse_args(argv)


def run(o: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for; return what goes into the JSON."""
    model = load_model(o.model, device="cpu", threads=1)
    digest = model.card.training.get("tensors") or model.sha256
    latest = int(model.card.range("t")[1]) if "t" in model.card.trained else 0
    cache = Cache(o.cache / "measured.jsonl")
    head: dict[str, Any] = {
        "version": VERSION,
        "weights": digest,
        "file": model.sha256,
        "seed": o.seed,
        "frames": o.frames,
        "side": o.side,
    }
    skipped = [] if o.disc.is_file() else [NO_DISC]
    result = {**head, "skipped": skipped, "sections": {}, "minutes": {}}
    old = read(o.out / "benchmark.json")
    if o.only and all(old.get(k) == head[k] for k in _SAME):
        result["sections"], result["minutes"] = old["sections"], old["minutes"]
    with pool(o.workers) as over:
        bench = Bench(
            model=str(find_file(o.model)), digest=digest, latest=latest,
            frames=o.frames, chains=o.chains, sampled=o.sampled, cache=cache,
            disc=o.disc, over=over, seed=o.seed, side=o.side,
        )  # fmt: skip
        for name, section in SECTIONS.items():
            if name == "sampled" and latest < STEPS - 1:
                result["skipped"].append(
                    f"sampled: these weights were trained for times to {latest}, and "
                    f"a frame is drawn from {STEPS - 1} on"
                )
                continue
            if o.only and name not in o.only:
                continue
            begun = time.monotonic()
            result["sections"][name] = section(bench)
            minutes = (time.monotonic() - begun) / 60
            result["minutes"][name] = round(minutes, 2)
            print(f"{name}: {minutes:.1f} minutes", flush=True)
        examples.write(bench, o.cache / "examples.npz")
    result["figures"] = report.card(result)
    result["cache"] = {"computed": cache.computed, "reused": cache.reused}
    return result


_SAME = ("version", "weights", "seed", "frames", "side")
NO_DISC = (
    "the network that predicts hidden discs from their surroundings: it is not trained "
    "here (benchmarks/satellites/disc.py)"
)


def main(argv: list[str] | None = None) -> int:
    o = options(argv)
    try:
        result = run(o)
    except BGRemError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    o.out.mkdir(parents=True, exist_ok=True)
    replace(o.out / "benchmark.json", json.dumps(result, indent=1, allow_nan=False))
    replace(o.out / "benchmark.md", report.markdown(result))
    drawn = figures.draw(result, o.cache / "examples.npz", o.out)
    for line in result["skipped"]:
        print(f"skipped: {line}")
    if not drawn:
        print("skipped: pictures: no matplotlib here (dependency group bench)")
    print("computed {computed}, reused {reused}".format(**result["cache"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
