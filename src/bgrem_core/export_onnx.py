"""Models as ONNX files, for engines other than torch."""

import hashlib
import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core.errors import ModelError, UsageError, WriteError
from bgrem_core.heads import ODDS, QUANTILES
from bgrem_core.io.atomic import atomic_write
from bgrem_core.model_card import OF_IMAGES, ModelCard
from bgrem_core.models import find_card, load_network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["export_onnx"]

_NEEDED = ("onnx", "onnxscript")
_SIDES = "float32 (batch, 1, rows, columns), sides multiples of bgrem.pooling: "
_IMAGE_INPUTS = {
    "image": _SIDES + "the image after bgrem.normalisation, finite",
    "level": "float32 (batch): noise level, 1 for an image as observed",
    "condition": "float32 (batch, 3): correlation of the noise of neighbours; log10 of "
    "the noise of the sky in electrons per pixel, 0 if unknown; 1 if known, else 0",
}
_INPUTS = {
    "attention": _IMAGE_INPUTS,
    "fast": _IMAGE_INPUTS,
    "expectation": {
        "image": _SIDES + "counts",
        "level": "float32 (batch): median of 2 sqrt(counts + 3/8) over the whole image",
    },
    "context": {
        "image": _SIDES + "the diffused frame, after bgrem.normalisation",
        "time": "float32 (batch): time of the diffusion, whole numbers from 0 to 999",
    },
}
_BOTH_PARTS = ("source", "background")


def export_onnx(
    name_or_path: str, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a model as an ONNX file, with all that is needed to use it.

    The card, the hash of the weights, the normalisation, the margin of tiles, inputs
    and outputs are in the metadata of the file, under keys that begin with "bgrem.".

    Parameters
    ----------
    name_or_path : str
        Name of a shipped model, or path of a safetensors file.
    path : path
        Of the file to write, ending in .onnx.
    overwrite : bool, optional
        Replace a file that exists.

    Returns
    -------
    pathlib.Path
        What was written.

    Raises
    ------
    ModelError
        No such model, or a network that torch cannot export.
    UsageError
        The path does not end in .onnx, or the packages for it are missing.
    WriteError
        The file exists, or cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".onnx":
        raise UsageError(
            f"{target.name!r} does not end in .onnx",
            f"use {target.stem or 'model'}.onnx",
        )
    card = find_card(name_or_path)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX files need {' and '.join(missing)}, which is not installed",
            "install napari-bgrem[export]",
        )
    if target.exists() and not overwrite:
        raise WriteError(
            f"{target.name} exists already", hint="use --overwrite to replace it"
        )
    if not target.parent.is_dir():
        raise WriteError(f"there is no folder {target.parent}", hint="make it first")
    card, network, sha256 = load_network(name_or_path)
    program = _traced(card, network)
    program.model.metadata_props.update(_metadata(card, network, sha256))
    program.model.producer_name = "bgrem"
    with atomic_write(target, overwrite=overwrite) as file:
        file.write(program.model_proto.SerializeToString())
    return target


def _traced(card: ModelCard, network: "nn.Module") -> Any:
    """Return the program that torch writes down, for any number and size of images."""
    import torch

    from bgrem_core.networks import rewritten
    from bgrem_core.networks.attention import AttentionUNet

    # Other engines fold constants themselves, but not a transposed convolution; the
    # rewritten fast network takes one image at a time.
    if isinstance(network, AttentionUNet):
        network = rewritten(network)
    names = list(_INPUTS[card.network])
    batch, rows, columns = (torch.export.Dim(n) for n in ("batch", "rows", "columns"))
    size = card.pooling
    shapes = [{0: batch} for _ in names]
    shapes[0] |= {2: size * rows, 3: size * columns}
    try:
        with _quiet():
            program = torch.onnx.export(
                _whole(network).eval(),
                _example(names, size),
                dynamo=True,
                dynamic_shapes=(tuple(shapes),),
                input_names=names,
                output_names=["answer"],
                verbose=False,
            )
    except Exception as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"torch cannot export the model {card.name}: {why}",
            "try the versions of torch, onnx and onnxscript that pyproject.toml names",
        ) from error
    return program


def _whole(network: "nn.Module") -> "nn.Module":
    """Return a network as a module that answers with all its heads."""
    from torch import nn

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: "Tensor") -> "Tensor":
            answer = getattr(self.network, "forward_heads", self.network)
            out: Tensor = answer(*inputs)
            return out

    return Whole()


def _example(names: list[str], size: int) -> "tuple[Tensor, ...]":
    """Return inputs of unequal sizes, so that none is taken for another."""
    import torch

    number, rows, columns = 2, 3 * size, 5 * size
    shapes = {"image": (number, 1, rows, columns), "condition": (number, 3)}
    return tuple(torch.ones(shapes.get(name, (number,))) for name in names)


def _metadata(card: ModelCard, network: "nn.Module", sha256: str) -> dict[str, str]:
    """Return what must be known to use the file rightly."""
    from bgrem_core.methods.common import package_version

    text = json.dumps(card.as_dict(), sort_keys=True)
    note = {
        "version": package_version(),
        "model": card.name,
        "weights_sha256": sha256,
        "card": text,
        "card_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "normalisation": json.dumps(dict(card.normaliser), sort_keys=True),
        "pooling": str(card.pooling),
        "inputs": json.dumps(_INPUTS[card.network]),
        "outputs": json.dumps(_outputs(card, network)),
    }
    if card.network != "context":  # there rows and columns count as a whole
        note["margin"] = str(-(-card.radius // card.pooling) * card.pooling)
    return {f"bgrem.{key}": value for key, value in note.items()}


def _outputs(card: ModelCard, network: "nn.Module") -> dict[str, str]:
    """Return the channels of the answer, in their order, and what they stand for."""
    if card.network == "expectation":
        return dict.fromkeys(_BOTH_PARTS, "expected counts per pixel")
    if card.objective not in OF_IMAGES:
        return {"noise": "unit noise of the diffused frame"}
    out = {"noise": "noise: image - level * noise is the image without it"}
    for head in getattr(network, "heads", ())[1:]:
        if head in QUANTILES:
            share = f"{100 * QUANTILES[head]:.1f} %"
            out[head] = f"log(1 + exp(it)) holds {share} of the errors, not calibrated"
        else:
            out[head] = "probability, as 1 / (1 + exp(-it))" if head in ODDS else ""
    return out


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter says about packages that nobody asked for."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
