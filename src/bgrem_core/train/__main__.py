"""Command line of the training: ``bgrem-train optical --recipe cpu``."""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bgrem_core.errors import BGRemError
from bgrem_core.train.bench import trainer
from bgrem_core.train.loop import Trainer
from bgrem_core.train.recipe import Recipe, shipped

MODELS = ("optical", "optical-paper", "gamma", "satellites")
CANCELLED = 130
_EVERY = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Train, or take up a stopped run.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default those of the process.

    Returns
    -------
    int
        0, 130 if interrupted, or the code of the error that was reported.
    """
    args = _parser().parse_args(argv)
    try:
        path = args.recipe
        file = Path(path) if path.endswith(".json") else shipped(args.model, path)
        recipe = Recipe.read(file)
        out = args.out or Path("runs") / args.model
        run = trainer(recipe, out, device=args.device, workers=args.workers)
    except BGRemError as error:
        return _fail(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was trained\n")
        return CANCELLED
    try:
        for line in _lines(run, args.max_seconds):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    except BGRemError as error:
        return _fail(error)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"interrupted after step {run.step}; run the same command again: it goes "
            f"on from the last checkpoint in {out}\n"
        )
        return CANCELLED
    sys.stdout.write(_end(run, out) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bgrem-train",
        description="Train a model, or go on with a run that was stopped.",
    )
    parser.add_argument("model", choices=MODELS, help="what to train")
    parser.add_argument(
        "--recipe",
        default="cpu",
        help="cpu (at most 40 minutes of two cores), gpu, or a .json file",
    )
    parser.add_argument("--out", type=Path, help="folder of the run; runs/MODEL")
    parser.add_argument(
        "--max-seconds",
        type=_seconds,
        default=math.inf,
        metavar="S",
        help="stop after so long; the same command goes on",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument(
        "--workers",
        type=_count,
        default=0,
        metavar="N",
        help="processes that draw batches ahead; for a GPU about 12",
    )
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _fail(error: BGRemError) -> int:
    sys.stderr.write(f"error: {error}\n")
    return error.code


def _lines(run: Trainer, max_seconds: float) -> Iterator[str]:
    """Yield a line of means every few steps."""
    start, first = time.monotonic(), run.step
    rows: list[dict[str, float]] = []
    for row in run.run(max_seconds=max_seconds):
        rows.append(row)
        if run.step % _EVERY:
            continue
        each = (time.monotonic() - start) / (run.step - first)
        left = (run.settings.steps - run.step) * each / 60
        figures = "  ".join(
            f"{k} {sum(r[k] for r in rows) / len(rows):.4f}"
            for k in rows[0]
            if k not in ("step", "norm", "rate", "seconds")
        )
        yield f"step {run.step:5d}  {figures}  {each:.3f} s/step  {left:.0f} min left"
        rows = []


def _end(run: Trainer, out: Path) -> str:
    if not run.ended:
        return (
            f"stopped after step {run.step} of {run.settings.steps}; run the same "
            "command again to go on"
        )
    return (
        f"done: {run.step} steps in {run.seconds / 60:.1f} min. To use the weights: "
        f"python -m bgrem_core.train.export --run {out} --out FOLDER"
    )


if __name__ == "__main__":
    sys.exit(main())
