"""The benchmark of star removal: one command.

python benchmarks/stars/run.py [--scenes N] [--sets A B ...] [--only SECTION ...]
                               [--side PIX] [--development] [--data FOLDER]

Everything that was measured is kept in runs/star_bench, by scene, arm and what the code
does: a run that was stopped goes on where it was, and a change only recomputes what
stands on it. Results: benchmark.json, and benchmark.md and pictures from it.
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

import arms
import examples
import figures
import further
import quality
import real
import report
from bench import SEED, Bench
from cache import VERSION, Cache
from common.command import pool, read, replace
from fingerprint import digest
from star_scenes import KINDS, SETS, SIDE

from bgrem_core.errors import BGRemError

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "star_bench"
SECTIONS: dict[str, Callable[[Bench], Any]] = {
    "quality": quality.run,
    "shapes": further.shapes,
    "streaks": further.streaks,
    "told": further.told,
    "scaled": further.scaled,
    "speed": further.speed,
    "frames": further.frames,
}
NEEDS = {"shapes": further.GALAXIES, "streaks": further.STREAKS}
"""Sets that a section is about."""
OURS = ("told", "scaled")
"""Sections about the method of this package alone."""


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=6, help="of each set")
    parser.add_argument(
        "--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET",
        help="; ".join(f"{n} {words}" for n, words in SETS.items()),
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, metavar="SECTION",
        help=f"some of {', '.join(SECTIONS)}; the others stay as they are in the JSON",
    )  # fmt: skip
    parser.add_argument(
        "--development", action="store_true",
        help="scenes of other seeds, to work on a method; written beside the cache",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, default=real.DATA, help="real frames")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, default=WORK, help="what is kept")
    parser.add_argument("--out", type=Path, help="by default results beside this file")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--side", type=int, default=SIDE, help="of a scene, pixels")
    o = parser.parse_args(argv)
    o.kind = KINDS[o.development]
    o.out = o.out or (o.cache / "development" if o.development else HERE / "results")
    return o


def run(o: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for; return what goes into the JSON."""
    here, absent = arms.present()
    cache = Cache(o.cache / "measured.jsonl")
    head: dict[str, Any] = {
        "version": VERSION, "seed": o.seed, "kind": o.kind, "scenes": o.scenes,
        "sets": o.sets, "side": o.side, "arms": [a.name for a in here],
        "simulator": digest("bgrem_core.simulate.stars"),
    }  # fmt: skip
    skipped = [*absent, *real.present(o.data)[1]]
    result = {**head, "skipped": skipped, "sections": {}, "minutes": {}}
    old = read(o.out / "benchmark.json")
    if o.only and all(old.get(k) == v for k, v in head.items()):
        result["sections"], result["minutes"] = old["sections"], old["minutes"]
    with pool(o.workers) as over:
        bench = Bench(
            arms=here, sets=o.sets, scenes=o.scenes, cache=cache, over=over,
            kind=o.kind, seed=o.seed, side=o.side, data=o.data, folder=o.cache,
        )  # fmt: skip
        for name, section in SECTIONS.items():
            if o.only and name not in o.only:
                continue
            if name in OURS and bench.main is None:
                continue
            if name in NEEDS and NEEDS[name] not in o.sets:
                skipped.append(f"{name}: set {NEEDS[name]} was not asked for")
                continue
            begun = time.monotonic()
            result["sections"][name] = section(bench)
            minutes = (time.monotonic() - begun) / 60
            result["minutes"][name] = round(minutes, 2)
            print(f"{name}: {minutes:.1f} minutes", flush=True)
        examples.write(bench, o.cache / "examples.npz")
    result["cache"] = {"computed": cache.computed, "reused": cache.reused}
    return result


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
