"""Command line of the training: ``python -m bgrem_core.train optical --recipe cpu``."""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bgrem_core.errors import BGRemError
from bgrem_core.train.optical import Recipe, trainer


def main(argv: Sequence[str] | None = None) -> int:
    """Train, or take up a stopped run.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default those of the process.

    Returns
    -------
    int
        0, or the code of the error that was reported.
    """
    parser = argparse.ArgumentParser(prog="python -m bgrem_core.train")
    parser.add_argument("kind", choices=["optical"], help="what to train")
    parser.add_argument("--recipe", default="cpu", help="shipped name or .json file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--max-seconds", type=float, default=math.inf)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(argv)
    try:
        run = trainer(Recipe.read(args.recipe), args.out, device=args.device)
        _report(run, args.max_seconds)
    except BGRemError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.code
    return 0


def _report(run, max_seconds: float) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    start, first = time.monotonic(), run.step
    sums = {"mae": 0.0, "mse": 0.0}
    count = 0
    for row in run.run(max_seconds=max_seconds):
        count += 1
        for key in sums:
            sums[key] += row[key]
        if run.step % 50 == 0:
            each = (time.monotonic() - start) / (run.step - first)
            mean = "  ".join(f"{k} {v / count:.4f}" for k, v in sums.items())
            sys.stdout.write(f"step {run.step:5d}  {mean}  {each:.3f} s/step\n")
            sys.stdout.flush()
            sums, count = dict.fromkeys(sums, 0.0), 0


if __name__ == "__main__":
    sys.exit(main())
