"""Turn a run into the weights that ship: slim file plus generated card.

``python -m bgrem_core.train.export --run runs/optical --out src/bgrem_core/weights
--thresholds thresholds.json --figures first_weights.json``. Without ``--run`` the
weights that are in the folder already get a new card.
"""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import BGRemError, ReadError, UsageError
from bgrem_core.models import ModelCard
from bgrem_core.train.loop import CURVE, STATE
from bgrem_core.train.optical import RECIPE, Recipe
from bgrem_core.weights import slim

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.float32]]

__all__ = ["card_text", "from_run", "main", "tensors_digest", "write"]

# Where nothing was measured yet: cautious values, replaced by ``--thresholds``.
_UNMEASURED = {
    "catalogue": [[0.0, 1, 0.6], [0.45, 1, 0.9]],
    "deep": [[0.0, 1, 0.42], [0.45, 1, 0.7]],
}


def tensors_digest(arrays: "Arrays") -> str:
    """Return the SHA-256 of names, shapes and numbers, whatever the card says."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(arrays[name].astype("<f4").tobytes())
    return digest.hexdigest()


def from_run(folder: Path, *, head: str = "mae") -> "tuple[dict[str, Any], Arrays]":
    """Take the averaged weights out of a run.

    Parameters
    ----------
    folder : pathlib.Path
        Of the run.
    head : str, optional
        Which of the trained outputs is kept.

    Returns
    -------
    tuple
        Fields of a `ModelCard`, and the arrays of its network by name.
    """
    import torch
    from safetensors import safe_open

    from bgrem_core.networks import FastUNet

    recipe = Recipe.read(str(folder / RECIPE))
    network = FastUNet(**{**recipe.config, "head": head})
    with safe_open(folder / STATE, "pt") as file:
        note = json.loads(file.metadata()["run"])
        keys = [key for key in file.keys() if key.startswith("ema.")]  # noqa: SIM118
        state = {key.removeprefix("ema."): file.get_tensor(key) for key in keys}
    if note["recipe"] != recipe.digest():
        raise ReadError(f"{folder} mixes two recipes", "train in a new folder")
    network.load_state_dict(state)
    with torch.no_grad():
        small = network.single_head()
    arrays = {k: v.contiguous().numpy() for k, v in small.state_dict().items()}
    crops = note["step"] * recipe.augment.batch
    fields = {
        "name": recipe.name,
        "version": recipe.version,
        "method": "bgrem",
        "objective": "noise",
        "network": recipe.network,
        "config": small.config,
        "radius": small.radius,
        "pooling": small.pooling,
        "steps": 1,
        "fwhm": list(recipe.scene.fwhm),
        "sigma_e": list(recipe.augment.sigma_e),
        "rho": [0.0, recipe.augment.rho],
        "thresholds": _UNMEASURED,
        "recipe": recipe.digest(),
        "training": {
            "steps": note["step"],
            "planned": recipe.loop.steps,
            "finished": note["step"] == recipe.loop.steps,
            "crops": crops,
            "gigapixels": round(crops * recipe.augment.crop**2 / 1e9, 3),
            "fields": recipe.fields,
            "parameters": sum(a.size for a in arrays.values()),
            "tensors": tensors_digest(arrays),
            **_last_losses(folder / CURVE),
        },
    }
    return fields, arrays


def _last_losses(path: Path, rows: int = 300) -> dict[str, float]:
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    return {
        **{
            k: round(fmean(float(r[k]) for r in table[-rows:]), 5)
            for k in ("mae", "mse")
        },
        "minutes": round(sum(float(r["seconds"]) for r in table) / 60, 1),
    }


def from_weights(path: Path) -> "tuple[dict[str, Any], Arrays]":
    """Take fields and arrays from an exported file, to give it a new card."""
    file = slim.read(path)
    return dict(file.metadata), {name: file.array(name) for name in file.tensors}


def add_figures(
    fields: dict[str, Any], *, thresholds: Path | None, figures: Path | None
) -> None:
    """Add what benchmarks measured, if they measured these weights.

    Parameters
    ----------
    fields : dict
        Of a `ModelCard`; changed in place.
    thresholds : pathlib.Path or None
        JSON of ``benchmarks/optical/thresholds.py``.
    figures : pathlib.Path or None
        JSON of ``benchmarks/optical/first_weights.py``.

    Raises
    ------
    UsageError
        A file belongs to other weights.
    """
    for path, key in ((thresholds, "thresholds"), (figures, "figures")):
        if path is None:
            continue
        data = json.loads(path.read_text())
        if data["weights"] != fields["training"]["tensors"]:
            raise UsageError(
                f"{path} was measured with other weights", "run the benchmark again"
            )
        fields[key] = data[key]


def write(fields: Mapping[str, Any], arrays: "Arrays", folder: Path) -> Path:
    """Write weights and card beside their targets, then rename both.

    Parameters
    ----------
    fields : mapping
        Of a `ModelCard`; checked here.
    arrays : mapping of ndarray
        Float32 by name.
    folder : pathlib.Path
        Gets ``<name>.safetensors`` and ``<name>.md``.

    Returns
    -------
    pathlib.Path
        The weights file.
    """
    from safetensors.numpy import save_file

    card = ModelCard.from_dict(fields, where="the export")
    path = folder / f"{card.name}.safetensors"
    beside = path.with_suffix(".safetensors.new")
    note = json.dumps(fields, sort_keys=True)
    save_file(dict(arrays), beside, metadata={slim.METADATA_KEY: note})
    beside.chmod(0o644)
    digest = hashlib.sha256(beside.read_bytes()).hexdigest()
    text = path.with_suffix(".md.new")
    text.write_text(card_text(card, digest), encoding="utf-8")
    beside.replace(path)
    text.replace(path.with_suffix(".md"))
    return path


def card_text(card: ModelCard, sha256: str) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    card : ModelCard
        What it is made from; nothing in it is typed by hand for one run.
    sha256 : str
        Of the weights file.

    Returns
    -------
    str
        Ends with a newline.
    """
    sections = {
        "": _head(card, sha256),
        "Use": _USE,
        "Not for": _NOT_FOR,
        "What these weights are worth": _WORTH.format(
            minutes=card.training.get("minutes", 0)
        ),
        "Figures": _figures_text(card.figures),
        "Thresholds": _threshold_text(card),
        "Trained on": _training_text(card),
        "Licence": "BSD-3-Clause, as the package.",
        "Known failures": _FAILURES,
    }
    parts = [
        f"## {title}\n\n{text}" if title else text for title, text in sections.items()
    ]
    return (
        f"# Model card: {card.name}, version {card.version}\n\n"
        + "\n\n".join(parts)
        + "\n"
    )


_USE = """\
Detection and viewing of linear optical images: takes the zero-mean pixel noise away;
sky, planes and faint extended light are kept, and the sky is measured afterwards. The
image goes in as (image - offset) / sigma of the sky, with the noise's neighbour
correlation and, if known, sigma in electrons."""
_NOT_FOR = """\
Photometry, stacking or difference imaging on the cleaned image: it approaches a
conditional mean, in which faint sources are too faint. Fluxes are measured on the input
with its sky taken off. Not for stretched images, photon-counting images (gamma rays),
spectra or interferometric maps."""
_WORTH = """\
These are the first weights, from {minutes:.0f} minutes on two shared CPU cores; later
versions replace them. What was measured stands below, with its errors; nothing else is
claimed."""
_THRESHOLDS = """\
Sigma of the input's noise per pixel, on the cleaned image after a 64-pix mesh;
catalogue: 1 detection per Mpix of pure noise, deep: 10.
"""
_FAILURES = """\
- Cosmic rays, hot pixels, trails and banding are not noise: they stay and look sharper.
- A wrong noise correlation: correlated noise that is told to be white leaves bumps.
- Noise correlated beyond direct neighbours, or neither Gaussian nor Poisson: not
  trained.
- PSFs outside the trained widths, donuts, frames full of nebulosity: not trained, not
  tested.
- In crowded fields sources are parted by their shape; close pairs can merge."""


def _head(card: ModelCard, sha256: str) -> str:
    return (
        f"{card.summary()}.\n\n"
        f"- File: `{card.name}.safetensors`\n"
        f"- SHA-256: `{sha256}`\n"
        f"- Parameters: {card.training.get('parameters', 0):,}; dependency radius "
        f"{card.radius} pix, tiles start on a grid of {card.pooling} pix"
    )


def _training_text(card: ModelCard) -> str:
    t = card.training
    done = "finished" if t.get("finished") else "NOT finished, rate not annealed"
    return (
        "Simulated fields only, drawn from seeds by `bgrem_core.simulate`: no "
        "telescope data, no third party's data. Point sources, exponential and "
        "de Vaucouleurs galaxies, large faint discs, Moffat PSF; "
        f"FWHM {card.fwhm[0]:g}-{card.fwhm[1]:g} pix, sky noise {card.sigma_e[0]:g}-"
        f"{card.sigma_e[1]:g} electrons, neighbour correlation 0-{card.rho[1]:g}.\n\n"
        f"{t.get('steps', 0)} of {t.get('planned', 0)} steps ({done}), "
        f"{t.get('gigapixels', 0)} Gpix in {t.get('crops', 0):,} crops from "
        f"{t.get('fields', 0)} fields; last losses: MAE {t.get('mae')}, "
        f"MSE {t.get('mse')} (units of the local noise, noise level 1).\n\n"
        "`python -m bgrem_core.train optical --recipe cpu --out runs/optical`; "
        f"SHA-256 of the recipe: {card.recipe[:16]}..."
    )


def _figures_text(figures: Mapping[str, Any]) -> str:
    rows = figures.get("table")
    if not rows:
        return "Not measured yet."
    lines = [" | ".join(str(cell) for cell in row) for row in rows]
    rule = " | ".join("---" for _ in rows[0])
    table = "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
    notes = "\n".join(f"- {note}" for note in figures.get("notes", []))
    return f"{figures.get('caption', '')}\n\n{table}\n\n{notes}"


def _threshold_text(card: ModelCard) -> str:
    lines = [
        _THRESHOLDS,
        "| noise correlation | steps | catalogue | deep |",
        "| --- | --- | --- | --- |",
    ]
    deep = {(rho, n): value for rho, n, value in card.thresholds.get("deep", ())}
    lines += [
        f"| {rho:g} | {n} | {value:.3f} | {deep.get((rho, n), float('nan')):.3f} |"
        for rho, n, value in sorted(
            card.thresholds.get("catalogue", ()), key=lambda r: (r[1], r[0])
        )
    ]
    if {k: [list(r) for r in v] for k, v in card.thresholds.items()} == _UNMEASURED:
        lines.append("\nNot measured yet: cautious guesses.")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Export a run, or give exported weights a new card.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default those of the process.

    Returns
    -------
    int
        0, or the code of the error that was reported.
    """
    parser = argparse.ArgumentParser(prog="python -m bgrem_core.train.export")
    parser.add_argument("--run", type=Path, help="folder of the run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--name", default="optical", help="weights to re-export")
    parser.add_argument("--head", default="mae", choices=["mae", "mse"])
    parser.add_argument("--thresholds", type=Path, help="JSON of the benchmark")
    parser.add_argument("--figures", type=Path, help="JSON of the benchmark")
    args = parser.parse_args(argv)
    try:
        if args.run:
            fields, arrays = from_run(args.run, head=args.head)
        else:
            fields, arrays = from_weights(args.out / f"{args.name}.safetensors")
        add_figures(fields, thresholds=args.thresholds, figures=args.figures)
        path = write(fields, arrays, args.out)
    except BGRemError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.code
    sys.stdout.write(f"{path} ({path.stat().st_size / 2**20:.1f} MB) and its card\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
