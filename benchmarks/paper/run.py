"""The figures of the BGRem paper with our models, each beside its fair version.

python benchmarks/paper/run.py [--figures 1 5 B2 ...] [--toy] [--model NAME|PATH]
    [--paper-model NAME|PATH] [--losses mae=PATH mse=PATH huber=PATH] [--out FOLDER]

Writes paper.json and fig_NN.png; a figure that is not asked for keeps what an earlier
run wrote. What is missing (weights, frames, the program source-extractor) is skipped
with a line. What was measured is kept in the folder of the optical benchmark.
"""

import argparse
import importlib
import io
import json
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(1, str(Path(__file__).parents[2] / "src"))
sys.path.insert(1, str(Path(__file__).parents[1] / "optical"))

import numpy as np
import real
import stated
from denoiser import Denoiser
from given import JOINT, NOISE, Given

from bgrem_core.errors import BGRemError, UsageError

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "bench"
JSON = "paper.json"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure: a module with `compute` and `draw`.

    Attributes
    ----------
    module : str
        Beside this file.
    file : str
        Name of the picture.
    bare : bool
        It says something without any weights.
    """

    module: str
    file: str
    bare: bool = False


FIGURES = {
    "1": Figure(module="forward", file="fig_01.png"),
    "2": Figure(module="network", file="fig_02.png", bare=True),
    "4": Figure(module="example", file="fig_04.png"),
    "5": Figure(module="blank_sky", file="fig_05.png"),
    "6": Figure(module="box_flux", file="fig_06.png", bare=True),
    "7": Figure(module="clipping", file="fig_07.png"),
    "8": Figure(module="true_false", file="fig_08.png"),
    "9": Figure(module="galaxy", file="fig_09.png"),
    "10": Figure(module="telescopes", file="fig_10.png"),
    "11": Figure(module="elsewhere", file="fig_11.png"),
    "B1": Figure(module="scale", file="fig_B1.png", bare=True),
    "B2": Figure(module="steps", file="fig_B2.png"),
    "C": Figure(module="loss", file="fig_C.png", bare=True),
}
"""B1 and C are our names: of appendix B only the figure B.2 is known by number."""


def options(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--figures", nargs="+", choices=FIGURES, metavar="N",
                        default=list(FIGURES), help=", ".join(FIGURES))  # fmt: skip
    parser.add_argument("--model", default=NOISE, help="the product's weights")
    parser.add_argument("--paper-model", default=JOINT, help="those after the paper")
    parser.add_argument("--losses", nargs="+", default=[], metavar="LOSS=PATH",
                        help="weights of runs that differ in the loss")  # fmt: skip
    parser.add_argument("--toy", action="store_true", help="one small frame")
    parser.add_argument("--out", type=Path, help="default: results beside this file; "
                        "of a toy run the folder of the work")  # fmt: skip
    parser.add_argument("--work", type=Path, default=WORK, help="frames and cache")
    parser.add_argument("--data", type=Path, default=real.DATA, help="real frames")
    o = parser.parse_args(argv)
    o.out = o.out or (o.work / "paper_toy" if o.toy else HERE / "results")
    return o


def load(names: dict[str, str], skipped: list[str]) -> dict[str, Denoiser]:
    """Return the models that can be loaded; say which cannot."""
    out = {}
    for label, name in names.items():
        try:
            out[label] = Denoiser(name)
        except BGRemError as error:
            skipped.append(f"weights {name}: {str(error).splitlines()[0]}")
    return out


def losses(words: list[str]) -> dict[str, str]:
    out = dict(w.split("=", 1) for w in words if "=" in w)
    if len(out) < len(words):
        raise UsageError(
            f"--losses {' '.join(words)} is not understood", "give mae=PATH mse=PATH"
        )
    return out


def given(o: argparse.Namespace, skipped: list[str]) -> Given:
    return Given(
        models=load({NOISE: o.model, JOINT: o.paper_model}, skipped),
        losses=load(losses(o.losses), skipped),
        data=o.data,
        work=o.work,
        toy=o.toy,
    )


def run(o: argparse.Namespace) -> dict[str, Any]:
    """Make what was asked for; return what stands in the JSON afterwards."""
    skipped: list[str] = []
    have = given(o, skipped)
    result = _earlier(o.out / JSON)
    weights = {n: d.digest for n, d in (have.models | have.losses).items()}
    result["stated"] = stated.numbers(have)
    for key in o.figures:
        figure = FIGURES[key]
        if not have.models and not figure.bare:
            skipped.append(f"figure {key}: no weights")
            continue
        print(f"figure {key}", flush=True)
        start = time.monotonic()
        module = importlib.import_module(figure.module)
        numbers, images = module.compute(have)
        if "skipped" in numbers:
            skipped.append(f"figure {key}: {numbers['skipped']}")
        entry = {**numbers, "weights": weights, "toy": o.toy}
        entry["minutes"] = round((time.monotonic() - start) / 60, 2)
        if set(numbers) != {"skipped"}:
            result["figures"][key] = entry
            picture = _draw(module, numbers, images, skipped)
            if picture:
                write(o.out / figure.file, picture)
        write(o.out / JSON, _text(result))
    result["skipped"] = skipped
    write(o.out / JSON, _text(result))
    return result


def _earlier(path: Path) -> dict[str, Any]:
    if path.is_file():
        return json.loads(path.read_text())
    return {"figures": {}}


def _text(result: dict[str, Any]) -> bytes:
    order = [k for k in FIGURES if k in result["figures"]]
    result["figures"] = {k: result["figures"][k] for k in order}
    return (json.dumps(_plain(result), indent=1) + "\n").encode()


def _plain(value: Any) -> Any:
    """Return the same in plain types; what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _draw(
    module: Any,
    numbers: dict[str, Any],
    images: dict[str, np.ndarray],
    skipped: list[str],
) -> bytes | None:
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError:
        words = "pictures: no matplotlib here (dependency group bench)"
        if words not in skipped:
            skipped.append(words)
        return None
    from picture import save

    out = io.BytesIO()
    # As it will be read from the file: no number may live in the picture alone.
    save(module.draw(json.loads(json.dumps(_plain(numbers))), images), out)
    return out.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write beside the target, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.replace(path)


def main(argv: list[str] | None = None) -> int:
    o = options(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = run(o)
    except BGRemError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    for line in result["skipped"]:
        print(f"skipped: {line}")
    return 0


__all__ = ["FIGURES", "Figure", "main", "options", "run"]

if __name__ == "__main__":
    sys.exit(main())
