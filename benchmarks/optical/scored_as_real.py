"""What the scoring of real frames does to simulated ones, whose truth is known.

Frames of the full simulator are taken for deep images: noise is added, and the truth is
found in them by a matched filter, as `real.noisier` does it. The same noisy frames are
then scored by the sources that were drawn. Where both agree, the real frames can be
believed; where they do not, the difference is the bias of their truth. Arms, recipes
and the read-off are those of `run.py`.

python benchmarks/optical/scored_as_real.py [--model optical]
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import arms
import frames
import numpy as np
import real
from cache import Cache
from detection import run_kind

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "bench"
KINDS = ("dark", "bright sky", "deep", "crowded")
ARMS = ("matched", "photutils", "optical", arms.CENTRES)
TIMES = 3.0  # the noise of the deeper frame
DRAWN = "the sources that were drawn"
FOUND = "what a matched filter finds in the deeper image"


def both(frame: frames.Frame, number: int) -> Iterator[tuple[str, frames.Frame]]:
    """Yield the noisier frame with either truth; the same pixels do not count."""
    seed = [frames.SEED, 3000, number]
    image = frames.with_noise(frame.image, frame.rho, times=TIMES, seed=seed)
    found = real.frame(
        f"{frame.kind}, as real", frame.sky, frame.place, image,
        real.flattened(frame.image), gain=frame.sigma_e, fwhm=frame.fwhm,
        edge=frame.edge, tiles=frame.tiles, noise=TIMES,
    )  # fmt: skip
    mask = found.mask | frame.mask
    t = frame.truth
    drawn = dataclasses.replace(t, snr=t.snr / TIMES, flux=t.flux / TIMES)
    for name, source, truth in (
        (FOUND, found.source, found.truth),
        (DRAWN, frame.source / np.float32(TIMES), drawn),
    ):
        digest = frames.digest(
            found.image,
            source,
            mask,
            frames.table(truth),
            np.array([found.floor, found.sigma_e or 0]),
        )
        yield (
            name,
            dataclasses.replace(
                found, source=source, mask=mask, truth=truth, digest=digest, real=False
            ),
        )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="optical", help="weights: name or path")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--number", type=int, default=2, help="frames of 4 Mpix a kind")
    parser.add_argument("--work", type=Path, default=WORK, help="frames and cache")
    parser.add_argument("--toy", action="store_true", help="one small frame a kind")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args(argv)
    chosen, _ = arms.arms(list(ARMS), model=args.model)
    cache = Cache(args.work / "measured.jsonl")
    out: dict[str, dict] = {}
    for kind in args.kinds:
        drawn = frames.simulated(kind, folder=args.work / "frames", toy=args.toy)
        mine = [f for f in drawn if f.sky == frames.SKIES[-1]][: args.number]
        sets: dict[str, list[frames.Frame]] = {FOUND: [], DRAWN: []}
        for number, frame in enumerate(mine):
            for name, one in both(frame, number):
                sets[name].append(one)
        out[kind] = {}
        for name, some in sets.items():
            part = run_kind(some, chosen, cache)
            out[kind][name] = {
                "mpix": part["mpix"],
                "truths": part["truths"],
                "to_strongest": {
                    arm: entry["parts"]["all"]["to_strongest"]
                    for arm, entry in part["arms"].items()
                    if entry["model"]
                },
            }
            print(kind, name, json.dumps(out[kind][name]["to_strongest"]), flush=True)
    result = {
        "weights": next(a.key for a in chosen.values() if a.model).split()[1],
        "times": TIMES,
        "kinds": out,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "scored_as_real.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
