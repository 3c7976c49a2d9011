"""Command line of the training: ``bgrem-train optical --recipe cpu``.

``bgrem-train satellites FRAMES...`` trains on a user's own raw frames.
"""

import argparse
import dataclasses
import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bgrem_core.errors import BGRemError, UsageError
from bgrem_core.plain_text import plain
from bgrem_core.train.bench import trainer
from bgrem_core.train.loop import Trainer
from bgrem_core.train.recipe import RECIPES, Recipe, shipped
from bgrem_core.train.start import Start, read_start

MODELS = {
    "optical": ("optical", "survey"),
    "optical-fast": ("optical", "survey"),
    "optical-paper": ("optical", "survey"),
    "gamma": ("gamma",),
    "gamma-paper": ("gamma-paper",),
    "satellites": ("satellites", "frames"),
}
"""Families whose recipes each model takes."""
OWN = "satellites-own"
"""Name of weights from a user's own frames, unless the user gives another."""
CANCELLED = 130
_WARMUP = 4
"""Least number of steps for one of warm-up, where the number is the user's."""
_EVERY = 50
_SILENCE = 20.0
"""Longest time without a line, seconds; one step may take longer."""


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
    args = _parser().parse_intermixed_args(argv)
    _listen()
    try:
        usual = (args.name or OWN) if args.frames else args.model
        out = args.out or Path("runs") / usual
        start = _start(args)
        recipe = _recipe(args, out, start)
        run = trainer(
            recipe, out, start=start, device=args.device, workers=args.workers
        )
    except BGRemError as error:
        return _fail(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was trained\n")
        return CANCELLED
    try:
        for line in _lines(run, args.max_seconds):
            _say(line)
        _say(_end(run, out, exported=recipe.family == "frames"))
        if run.ended and recipe.family == "frames":
            from bgrem_core.train.own import finish

            for line in finish(out, start, device=args.device):
                _say(line)
    except BGRemError as error:
        return _fail(error)
    except KeyboardInterrupt:
        sys.stderr.write(plain(_interrupted(run)) + "\n")
        return CANCELLED
    return 0


def _say(text: str) -> None:
    lines = map(plain, text.split("\n"))
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _listen() -> None:
    """Print what the modules below have to say, such as that data are made."""
    log = logging.getLogger("bgrem_core.train")
    log.setLevel(logging.INFO)
    log.handlers = [logging.StreamHandler(sys.stdout)]
    log.propagate = False


def _start(args: argparse.Namespace) -> Start | None:
    if args.start is None:
        return None
    return read_start(args.model if args.start == "shipped" else args.start)


def _recipe(args: argparse.Namespace, out: Path, start: Start | None) -> Recipe:
    """Read the recipe and change it as the flags say; of own frames, read these too."""
    if args.frames and args.model != "satellites":
        raise UsageError(
            f"{args.model} is not trained on frames: {args.frames[0]}",
            "leave them out; frames are for bgrem-train satellites",
        )
    usual = "cpu" if not args.frames else "frames" if start is None else "tune"
    recipe = _read_recipe(args.model, args.recipe or usual)
    if args.steps:
        loop = recipe.loop
        warmup = min(loop.warmup, args.steps // _WARMUP)
        loop = dataclasses.replace(loop, steps=args.steps, warmup=warmup)
        recipe = dataclasses.replace(recipe, loop=loop)
    if args.frames:
        if recipe.family != "frames":
            raise UsageError(
                f"the recipe {args.recipe} simulates its frames",
                "leave your frames out, or use --recipe frames or tune",
            )
        from bgrem_core.train.own import with_frames

        mine = (args.recipe or "").endswith(".json")
        name = args.name or (recipe.name if mine else OWN)
        recipe = dataclasses.replace(recipe, name=name)
        recipe = with_frames(recipe, args.frames, out, start)
    elif args.name:
        recipe = dataclasses.replace(recipe, name=args.name)
    return recipe


def _read_recipe(model: str, name: str) -> Recipe:
    file = Path(name) if name.endswith(".json") else shipped(model, name)
    recipe = Recipe.read(file)
    if recipe.family not in MODELS[model]:
        fits = [m for m, families in MODELS.items() if recipe.family in families]
        raise UsageError(
            f"{file} is a recipe of the family {recipe.family}, not for {model}",
            f"use bgrem-train {' or '.join(fits)}",
        )
    return recipe


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bgrem-train",
        description="Train a model, or go on with a run that was stopped.",
        epilog=f"The recipes lie in {RECIPES}. Ctrl-C stops; the same command goes on "
        "from the last checkpoint.",
    )
    parser.add_argument("model", choices=MODELS, help="what to train")
    parser.add_argument(
        "frames",
        nargs="*",
        type=Path,
        metavar="FRAMES",
        help="satellites alone: your own raw frames, FITS files and folders of them, "
        "instead of simulated ones; some are held out, and the result is compared on "
        "them with the classical map and with the weights it began with",
    )
    parser.add_argument(
        "--recipe",
        help="cpu (default; at most 40 minutes of two cores), gpu, or a .json file; "
        "all but the paper's have long too: up to two hours, for the optical ones "
        "the full simulator, which needs napari-bgrem[train]; with FRAMES: frames "
        "(from nothing), or tune (default with --from)",
    )
    parser.add_argument(
        "--steps",
        type=_positive,
        metavar="N",
        help="other number of steps than the recipe's",
    )
    parser.add_argument(
        "--name",
        help=f"name of the weights; with FRAMES {OWN}, else that of the recipe",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="RUN|WEIGHTS",
        help="begin with the weights of a finished run, of a file, or of a model that "
        "ships (shipped: the one of this name), instead of random ones",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the run; runs/MODEL, with FRAMES runs/NAME, where the "
        "weights are written too",
    )
    parser.add_argument(
        "--max-seconds",
        type=_seconds,
        default=math.inf,
        metavar="S",
        help="stop after so long a training, the making of data not counted; the "
        "same command goes on",
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
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"invalid number of seconds: {text!r}")
    return value


def _positive(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and int(text)):
        raise argparse.ArgumentTypeError(f"invalid number of steps: {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and text.isascii()):
        raise argparse.ArgumentTypeError(f"invalid number of processes: {text!r}")
    return int(text)


def _fail(error: BGRemError) -> int:
    sys.stderr.write(f"error: {error}\n")
    return error.code


def _lines(run: Trainer, max_seconds: float) -> Iterator[str]:
    """Yield a line of means after the first step and every few steps."""
    start, first = time.monotonic(), run.step
    told = -math.inf
    rows: list[dict[str, float]] = []
    for row in run.run(max_seconds=max_seconds):
        rows.append(row)
        now = time.monotonic()
        if run.step % _EVERY and now - told < _SILENCE:
            continue
        told = now
        each = (now - start) / (run.step - first)
        left = (run.settings.steps - run.step) * each / 60
        figures = "  ".join(
            f"{k} {sum(r[k] for r in rows) / len(rows):.4f}"
            for k in rows[0]
            if k not in ("step", "norm", "rate", "seconds")
        )
        yield f"step {run.step:5d}  {figures}  {each:.3f} s/step  {left:.0f} min left"
        rows = []


def _interrupted(run: Trainer) -> str:
    if not run.saved:
        return (
            f"interrupted after step {run.step}; there is no checkpoint yet: run the "
            "same command again to begin anew"
        )
    return (
        f"interrupted after step {run.step}; the last checkpoint is of step "
        f"{run.saved}: run the same command again to go on from there"
    )


def _end(run: Trainer, out: Path, *, exported: bool = False) -> str:
    if not run.ended:
        return (
            f"stopped after step {run.step} of {run.settings.steps}; run the same "
            "command again to go on"
        )
    early = ""
    if run.step < run.settings.steps:
        early = (
            f"ended early, of {run.settings.steps} steps: the validation was not "
            f"better for {run.since} epochs, and the best weights are kept. "
        )
    done = f"{early}done: {run.step} steps in {run.seconds / 60:.1f} min"
    if exported:
        return done
    return (
        f"{done}. To use the weights: python -m bgrem_core.train.export --run {out} "
        "--out FOLDER"
    )


if __name__ == "__main__":
    sys.exit(main())
