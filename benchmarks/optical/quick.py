"""A quick look at weights: what they find on a few frames of the benchmark.

True positives at ten false per Mpix over those of the strongest classical arm, with
68 % bounds; best recipe against best. Claims come from `run.py`.

python benchmarks/optical/quick.py [--model optical] [--kinds dark crowded ...]
"""

import argparse
import json
from pathlib import Path

import arms
import frames
from cache import Cache
from detection import run_kind

from bgrem_core.models import find_card

ARMS = ("matched", "photutils", "optical", arms.CENTRES)
WORK = Path(__file__).parents[2] / "runs" / "bench"
Found = dict[str, dict[str, list[float | None]]]


def found(
    model: str, kinds: tuple[str, ...], *, number: int = 2, work: Path = WORK
) -> Found:
    """Return the ratios to the strongest classical arm, by kind and arm.

    Parameters
    ----------
    model : str
        Name or path of weights.
    kinds : tuple of str
        Of `frames.KINDS`.
    number : int, optional
        Frames of 4 Mpix with a structured sky, of each kind.
    work : pathlib.Path, optional
        Where frames and counts are kept; the classical ones are there after once.
    """
    chosen, _ = arms.arms(list(ARMS), model=model)
    cache = Cache(work / "measured.jsonl")
    out: Found = {}
    for kind in kinds:
        all_ = frames.simulated(kind, folder=work / "frames")
        mine = [f for f in all_ if f.sky == "structured"][:number]
        entries = run_kind(mine, chosen, cache)["arms"]
        out[kind] = {
            name: entries[name]["parts"]["all"]["to_strongest"]
            for name in chosen
            if name not in arms.CLASSICAL
        }
        print(kind, json.dumps(out[kind]), flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="optical")
    parser.add_argument("--kinds", nargs="+", default=list(frames.KINDS))
    parser.add_argument("--number", type=int, default=1, help="frames of each kind")
    parser.add_argument("--usual", metavar="MODEL", help="another one, to compare with")
    parser.add_argument("--out", type=Path, help="keep the ratios in this JSON file")
    args = parser.parse_args()
    kinds = tuple(args.kinds)
    result = {"frames": args.number}
    for key, model in (("ratios", args.model), ("usual", args.usual)):
        if model:
            result[key] = found(model, kinds, number=args.number)
    if args.out:
        result["weights"] = find_card(args.model).training["tensors"]
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
