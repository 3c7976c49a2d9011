"""Models: weights, the card that says how to use them, and a place to run them.

Cards are read without torch; torch is imported when weights are loaded.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ModelError, OutOfMemory, UsageError
from bgrem_core.heads import meaning
from bgrem_core.weights import slim

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    Float = NDArray[np.float32]

__all__ = [
    "UNMEASURED",
    "Model",
    "ModelCard",
    "find_card",
    "list_models",
    "load_model",
]

UNMEASURED = {
    "catalogue": ((0.0, 1, 0.6), (0.45, 1, 0.9)),
    "deep": ((0.0, 1, 0.42), (0.45, 1, 0.7)),
}
"""Detection thresholds where none were measured yet: cautious guesses."""

MAX_CONFIG = 4096
_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_OBJECTIVES = {
    "noise": "takes away noise",
    "joint": "takes away noise and sky",
    "expectation": "parts the counts of sources from those of the background",
    "systematics": "maps the systematic background of raw frames",
}
_OF_IMAGES = ("noise", "joint")
_SHIPPED_HINT = "install the package again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What must be known to use weights rightly; travels inside the weights file.

    Attributes
    ----------
    name : str
        Name of the model.
    version : str
        Of the weights.
    method : str
        Key of the registry of methods.
    objective : str
        What is predicted: "noise": zero-mean noise alone; "joint": noise and sky;
        "expectation": counts expected from sources and from the background;
        "systematics": noise of a diffusion step over raw frames.
    network : str
        Key of `bgrem_core.networks.NETWORKS`.
    config : mapping
        Arguments of the network.
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Grid on which tiles start.
    steps : int
        Reverse steps by default.
    normaliser : mapping
        How the numbers of an image become those that the network sees.
    trained : mapping
        Ranges, [low, high], or words, of what the training data covered. For "noise"
        and "joint": "fwhm" (pixels), "sigma_e" (sky noise, electrons per pixel),
        "rho" (correlation of the noise of neighbours).
    thresholds : mapping
        Per operating point ("catalogue", "deep") rows of (rho, steps, threshold); the
        threshold is in sigma of the input's noise per pixel.
    calibration : mapping
        What makes the further heads usable: "uncertainty", rows of (width that the
        network says, half-width that holds 68 % of the errors), sigma of the sky,
        both rising; "artefact", least probability of a flagged pixel. Without it
        those heads are not shown.
    recipe : str
        SHA-256 of the training recipe.
    training : mapping
        Summary of the run.
    figures : mapping
        What benchmarks measured.
    """

    name: str
    version: str
    method: str
    objective: str
    network: str
    config: Mapping[str, Any]
    radius: int
    pooling: int
    steps: int
    normaliser: Mapping[str, Any] = field(default_factory=dict)
    trained: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, tuple[tuple[float, int, float], ...]] = field(
        default_factory=dict
    )
    calibration: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "model") -> "ModelCard":
        """Parse the metadata of a weights file.

        Parameters
        ----------
        data : mapping
            Parsed JSON.
        where : str, optional
            Name of the file, for the error.

        Returns
        -------
        ModelCard
            With every field of the right kind.

        Raises
        ------
        ModelError
            A field is missing, unknown or of the wrong kind.
        """
        try:
            return cls(**_checked(cls, data))
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise ModelError(
                f"the card in {where} cannot be used: {error}",
                "use weights that were exported by this version",
            ) from error

    @property
    def measured(self) -> bool:
        """Whether the false detections at its thresholds were counted."""
        return self.thresholds != UNMEASURED

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return plain

    def summary(self) -> str:
        """Return one line: name, method, objective, network, steps, trained range."""
        ranges = (f"{name} {range_text(value)}" for name, value in self.trained.items())
        return (
            f"{self.name} (version {self.version}): method {self.method}, "
            f"{_OBJECTIVES[self.objective]}; network {self.network}, {self.steps} "
            f"step{'s' if self.steps > 1 else ''}; trained for {', '.join(ranges)}"
        )

    def range(self, name: str) -> tuple[float, float]:
        """Return the trained range of a quantity.

        Parameters
        ----------
        name : str
            Key of `trained`.

        Returns
        -------
        tuple of float
            Lowest and highest value.
        """
        low, high = self.trained[name]
        return float(low), float(high)

    def threshold(self, point: str, rho: float, steps: int) -> float:
        """Return the detection threshold on the flattened cleaned image.

        Parameters
        ----------
        point : str
            "catalogue" (1 detection per Mpix on pure noise) or "deep" (10).
        rho : float
            Neighbour correlation of the input's noise; beyond the table its end
            holds, an unknown (NaN) one is taken as the most cautious.
        steps : int
            Reverse steps; the nearest of the table is used.

        Returns
        -------
        float
            In sigma of the input's noise per pixel.

        Raises
        ------
        UsageError
            The card has no such operating point.
        """
        rows = self.thresholds.get(point, ())
        if not rows:
            raise UsageError(
                f"the card of {self.name} has no threshold {point!r}",
                "give a threshold with --threshold",
            )
        nearest = min({row[1] for row in rows}, key=lambda n: (abs(n - steps), n))
        table = sorted((r, value) for r, n, value in rows if n == nearest)
        if math.isnan(rho):
            return max(value for _, value in table)
        at, values = zip(*table, strict=True)
        return float(np.interp(rho, np.array(at), np.array(values)))

    def half_width(self, said: "Float") -> "Float":
        """Return calibrated half-widths of the error.

        Parameters
        ----------
        said : ndarray
            Width that the network says, any shape, sigma of the sky.

        Returns
        -------
        ndarray of float32
            68 % of the errors are smaller; straight between the rows of the table in
            the logarithms, in proportion beyond them.
        """
        at, true = np.log(np.array(self.calibration["uncertainty"])).T
        log = np.log(np.maximum(said, 1e-6))
        ratio = np.interp(log, at, true - at)
        width: Float = np.exp(log + ratio).astype(np.float32)
        return width


class Model:
    """A loaded network with its card.

    Parameters
    ----------
    card : ModelCard
        How to use it.
    network : torch.nn.Module
        As in `bgrem_core.networks`.
    sha256 : str
        Of the weights file.
    device : str, optional
        "auto", "cpu", "cuda" or "mps".
    threads : int, optional
        CPU threads of torch, 0 = leave as they are.

    Attributes
    ----------
    card : ModelCard
        How to use it.
    sha256 : str
        Of the weights file.
    radius : int
        Farthest input pixel that an output pixel depends on.
    pooling : int
        Grid on which tiles must start.
    device : str
        Where it runs now.
    notices : list of str
        What the user should be told, such as a change of device.
    """

    def __init__(
        self,
        card: ModelCard,
        network: "nn.Module",
        *,
        sha256: str,
        device: str = "auto",
        threads: int = 0,
    ) -> None:
        import torch

        self.card, self.sha256 = card, sha256
        self.radius, self.pooling = card.radius, card.pooling
        self.notices: list[str] = _doubts(card)
        self.device = "cpu"
        if threads:
            torch.set_num_threads(threads)
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # The first answer of a network is the noise, under whatever name.
        self._heads = ("noise", *getattr(network, "heads", ())[1:])
        wanted = _choose_device(device)
        if wanted != "cpu":
            try:
                self._network.to(wanted)
                self.device = wanted
            except Exception as error:  # noqa: BLE001 - drivers raise anything
                self._fall_back(wanted, error)

    def denoise(
        self,
        z: "Float",
        level: float,
        *,
        rho: float = 0.0,
        sigma_e: float | None = None,
    ) -> "Float":
        """Predict the noise in an image or tile.

        Parameters
        ----------
        z : ndarray
            (ny, nx) float32, (image - offset) / sigma of the sky, finite. Sides that
            are no multiple of `pooling` are filled up at the far edges.
        level : float
            Noise level of the schedule, 1 for the image as observed.
        rho : float, optional
            Correlation of the noise of neighbouring pixels.
        sigma_e : float or None, optional
            Sky noise of one pixel in electrons; None or NaN = unknown.

        Returns
        -------
        ndarray
            (ny, nx) float32 x_hat: ``z - level * x_hat`` is the image without noise.

        Raises
        ------
        OutOfMemory
            The tile does not fit into memory, on the CPU.
        """
        return self.appraise(z, level, rho=rho, sigma_e=sigma_e)["noise"]

    def appraise(
        self,
        z: "Float",
        level: float,
        *,
        rho: float = 0.0,
        sigma_e: float | None = None,
    ) -> "dict[str, Float]":
        """Predict the noise, and what else the network has to say of an image.

        Parameters
        ----------
        z, level, rho, sigma_e
            As for `denoise`.

        Returns
        -------
        dict of ndarray
            (ny, nx) float32 each: "noise" as from `denoise`; of the other heads of
            `bgrem_core.heads` those that the network has.

        Raises
        ------
        OutOfMemory
            The tile does not fit into memory, on the CPU.
        """
        if self.card.objective not in _OF_IMAGES:
            raise UsageError(
                f"the model {self.card.name} does not predict the noise of an image",
                f"it is for the method {self.card.method}",
            )
        ny, nx = z.shape
        fill = [(0, -n % self.pooling) for n in z.shape]
        z = np.asarray(z, np.float32)
        padded = np.pad(z, fill, mode="edge") if fill != [(0, 0), (0, 0)] else z
        condition = np.array([self._condition(rho, sigma_e)], np.float32)
        out = self.evaluate(padded[None, None], np.array([level]), condition)
        return {
            name: meaning(name, answer[:ny, :nx])
            for name, answer in zip(self._heads, out[0], strict=True)
        }

    def evaluate(self, image: "Float", *rest: "Float") -> "Float":
        """Run the bare network.

        Parameters
        ----------
        image : ndarray
            (b, 1, ny, nx) float32, as the network takes it (see
            `bgrem_core.networks`); sides are multiples of `pooling`.
        *rest : ndarray
            Its further inputs; float32, first axis = batch.

        Returns
        -------
        ndarray
            (b, channels, ny, nx) float32; one channel for each head.

        Raises
        ------
        UsageError
            The image has another shape.
        OutOfMemory
            The batch does not fit into memory, on the CPU.
        """
        shape = np.shape(image)
        if len(shape) != 4 or shape[1] != 1 or any(n % self.pooling for n in shape[2:]):
            raise UsageError(
                f"an image of shape {shape} is not (batch, 1, ny, nx) with ny and nx "
                f"multiples of {self.pooling}",
                "use image[None, None] for one image, cut to such sides",
            )
        inputs = [np.ascontiguousarray(a, np.float32) for a in (image, *rest)]
        if self.device != "cpu":
            try:
                return self._forward(inputs)
            except Exception as error:  # noqa: BLE001 - drivers raise anything
                self._fall_back(self.device, error)
        try:
            return self._forward(inputs)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "allocate" in str(error):
                ny, nx = image.shape[2:]
                raise OutOfMemory(
                    f"a tile of {nx} x {ny} pix needs more memory",
                    "use a smaller --tile",
                ) from error
            raise

    def _condition(self, rho: float, sigma_e: float | None) -> list[float]:
        """Return what the network is told, kept within what it was trained on."""
        rho = 0.0 if math.isnan(rho) else rho
        known = sigma_e is not None and math.isfinite(sigma_e) and sigma_e > 0
        low, high = self.card.range("sigma_e")
        electrons = math.log10(min(max(sigma_e, low), high)) if known else 0.0  # type: ignore[type-var,arg-type]
        least, most = self.card.range("rho")
        return [
            min(max(rho, least), most),
            electrons,
            float(known),
        ]

    def _forward(self, inputs: "list[Float]") -> "Float":
        import torch

        with torch.inference_mode():
            # clone: torch must not write into what the caller may hold read-only.
            image, *rest = (torch.tensor(a).to(self.device) for a in inputs)
            image = image.contiguous(memory_format=torch.channels_last)
            # All heads at once: they differ in the last convolution alone.
            answer = getattr(self._network, "forward_heads", self._network)
            out: Float = answer(image, *rest).float().cpu().numpy()
        return out

    def _fall_back(self, device: str, error: Exception) -> None:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        self.notices.append(f"{device} failed ({why}); the CPU is used instead")
        self.device = "cpu"
        self._network.to("cpu")


def list_models() -> tuple[ModelCard, ...]:
    """Return the cards of the models that ship with the package.

    Returns
    -------
    tuple of ModelCard
        By name. Torch is not needed.
    """
    paths = sorted(_folder().glob("*.safetensors"))
    return tuple(_card(slim.read(path, body=False)) for path in paths)


def find_card(name_or_path: str) -> ModelCard:
    """Return the card of a model without loading its weights.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped model, or path of a safetensors file.

    Returns
    -------
    ModelCard
        Parsed and checked; torch is not needed.

    Raises
    ------
    ModelError
        No such model, or a file that cannot be used.
    """
    return _card(slim.read(_find(name_or_path), body=False))


def load_model(name_or_path: str, *, device: str = "auto", threads: int = 0) -> Model:
    """Load a model, with nothing executed from its file.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped model, or path of a safetensors file.
    device : str, optional
        "auto" takes cuda, then mps, then the CPU. What fails there goes on on the
        CPU, with one notice.
    threads : int, optional
        CPU threads of torch, 0 = leave as they are.

    Returns
    -------
    Model
        Ready to `Model.denoise`.

    Raises
    ------
    ModelError
        No such model; a damaged file; weights that do not fit their network; torch
        is missing.
    UsageError
        The device is unknown.
    """
    if device not in _DEVICES:
        raise UsageError(f"device={device!r} is unknown", f"use {', '.join(_DEVICES)}")
    path = _find(name_or_path)
    file = slim.read(path)
    card = _card(file)
    _check_hash(file)
    network = _build(file, card)
    return Model(card, network, sha256=file.sha256, device=device, threads=threads)


def _doubts(card: ModelCard) -> list[str]:
    """Say what about a model is less than it seems."""
    doubts = []
    if not card.measured:
        doubts.append(
            f"the thresholds of the model {card.name} were not measured, and the "
            "number of false detections is unknown: run "
            "benchmarks/optical/thresholds.py"
        )
    if card.training.get("finished") is False:
        doubts.append(f"the training of the model {card.name} was not finished")
    return doubts


def _folder() -> Path:
    return Path(str(resources.files("bgrem_core.weights")))


def _find(name_or_path: str) -> Path:
    shipped = {path.stem: path for path in _folder().glob("*.safetensors")}
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    looks_like_file = bool(path.suffix) or len(path.parts) > 1
    if not looks_like_file and not path.is_file():
        raise ModelError(
            f"there is no model {name_or_path!r}",
            f"use {', '.join(sorted(shipped)) or 'a path'} or the path of a "
            "safetensors file",
        )
    return path


def _card(file: slim.SlimFile) -> ModelCard:
    return ModelCard.from_dict(file.metadata, where=file.path.name)


def _check_hash(file: slim.SlimFile) -> None:
    """Compare the file with the card that lies beside it; shipped files have one."""
    beside = file.path.with_suffix(".md")
    shipped = file.path.parent == _folder()
    if not beside.is_file():
        if shipped:
            raise ModelError(f"{file.path.name} lacks its card", _SHIPPED_HINT)
        return
    try:
        hashes = _SHA256.findall(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{beside.name} cannot be read", _SHIPPED_HINT) from error
    # A text beside a foreign file need not be a card at all.
    if (hashes or shipped) and file.sha256 not in hashes:
        raise ModelError(
            f"{file.path.name} is not the file that {beside.name} describes",
            _SHIPPED_HINT if shipped else "get both again",
        )


def _build(file: slim.SlimFile, card: ModelCard) -> "nn.Module":
    try:
        import torch

        from bgrem_core.networks import build
    except ImportError as error:
        raise ModelError(
            f"the model {card.name} needs torch, which is not installed",
            "install torch, or use --method mesh",
        ) from error
    with torch.device("meta"):  # shapes only: a foreign config allocates nothing
        network = build(card.network, **card.config)
    expected = {
        name: (tuple(value.shape), value.dtype)
        for name, value in network.state_dict().items()
    }
    _compare(file, expected, {"F32": torch.float32, "I64": torch.int64})
    arrays = {name: file.array(name) for name in expected}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(
                f"{file.path.name}: {name} holds numbers that are not finite",
                "get the file again",
            )
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    network.load_state_dict(state, strict=True, assign=True)
    if [network.radius, network.pooling] != [card.radius, card.pooling]:
        raise ModelError(
            f"{file.path.name}: radius {card.radius} and pooling {card.pooling} of "
            "the card are not those of its network",
            "use weights that were exported by this version",
        )
    return network


def _compare(
    file: slim.SlimFile,
    expected: Mapping[str, tuple[tuple[int, ...], Any]],
    dtypes: Mapping[str, Any],
) -> None:
    for name in sorted(set(expected) ^ set(file.tensors)):
        word = "lacks" if name in expected else "has the unknown"
        raise ModelError(
            f"{file.path.name} {word} tensor {name[:80]!r}",
            "use weights that were exported by this version",
        )
    for name, (shape, dtype) in expected.items():
        tensor = file.tensors[name]
        if (tensor.shape, dtypes[tensor.dtype]) != (shape, dtype):
            raise ModelError(
                f"{file.path.name}: {name} has shape {tensor.shape} {tensor.dtype}, "
                f"its network needs {shape} {dtype}",
                "use weights that were exported by this version",
            )


def _choose_device(device: str) -> str:
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _checked(kind: type[ModelCard], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a card, each of its kind."""
    known = {f.name for f in dataclasses.fields(kind)}
    if unknown := set(data) - known:
        raise ValueError(f"unknown field {min(unknown)[:80]!r}")
    out = dict(data)
    for name in ("name", "version", "method", "objective", "network", "recipe"):
        if name in data and not isinstance(data[name], str):
            raise TypeError(f"{name} is not a text")
    if data["objective"] not in _OBJECTIVES:
        raise ValueError(f"objective {data['objective'][:80]!r} is unknown")
    for name, most in (("radius", 4096), ("pooling", 1024), ("steps", 100)):
        if type(data[name]) is not int or not 1 <= data[name] <= most:
            raise ValueError(f"{name} is not a whole number from 1 to {most}")
    for name in (
        "config", "normaliser", "trained", "training", "figures", "thresholds",
        "calibration",
    ):  # fmt: skip
        if name in data and not isinstance(data[name], dict):
            raise TypeError(f"{name} is not an object")
    needed = ("fwhm", "sigma_e", "rho") if data["objective"] in _OF_IMAGES else ()
    out["trained"] = _ranges(data.get("trained", {}), needed)
    if len(json.dumps(data["config"])) > MAX_CONFIG:
        raise ValueError("config is too long")
    out["thresholds"] = {
        str(point): tuple(_threshold_row(row) for row in rows)
        for point, rows in data.get("thresholds", {}).items()
    }
    out["calibration"] = _calibration(data.get("calibration", {}))
    return out


def _calibration(data: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if "uncertainty" in data:
        rows = np.array(data["uncertainty"], np.float64)
        positive = rows.ndim == 2 and rows.shape[1] == 2 and (rows > 0).all()
        if not positive or len(rows) < 2 or (np.diff(rows, axis=0) <= 0).any():
            raise ValueError("the calibration of the uncertainty does not rise")
        if not np.isfinite(rows).all():
            raise ValueError("the calibration of the uncertainty is not finite")
        out["uncertainty"] = tuple((float(a), float(b)) for a, b in rows)
    if "artefact" in data:
        out["artefact"] = float(data["artefact"])
        if not 0 < out["artefact"] < 1:
            raise ValueError("the least probability of an artefact is not in (0, 1)")
    if unknown := set(data) - set(out):
        raise ValueError(f"unknown calibration {min(unknown)[:80]!r}")
    return out


def range_text(value: str | tuple[float, float]) -> str:
    """Return a trained range as text.

    Parameters
    ----------
    value : str or tuple of float
        Words, or lowest and highest value.

    Returns
    -------
    str
        Such as "2.5 to 8".
    """
    if isinstance(value, str):
        return value
    low, high = value
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _ranges(
    data: Mapping[str, Any], needed: tuple[str, ...]
) -> dict[str, str | tuple[float, float]]:
    out: dict[str, str | tuple[float, float]] = {}
    for name, value in data.items():
        if isinstance(value, str):
            out[name] = value
            continue
        low, high = (float(v) for v in value)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"{name[:80]} is no range")
        out[name] = (low, high)
    for name in needed:
        if not isinstance(out.get(name), tuple) or out[name][0] < 0:  # type: ignore[operator]
            raise ValueError(f"trained lacks the range of {name}")
    return out


def _threshold_row(row: Any) -> tuple[float, int, float]:
    rho, steps, value = float(row[0]), int(row[1]), float(row[2])
    if not (math.isfinite(rho) and math.isfinite(value) and value > 0):
        raise ValueError("a threshold is not a positive number")
    return rho, steps, value
