"""Models: weights, the card that says how to use them, and a place to run them.

Cards are read without torch; torch is imported when weights are loaded.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import ModelError, OutOfMemory, UsageError
from bgrem_core.heads import meaning
from bgrem_core.model_card import OF_IMAGES, ModelCard
from bgrem_core.plain_text import plain
from bgrem_core.weights import slim

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    Float = NDArray[np.float32]

__all__ = [
    "Model",
    "choose_device",
    "find_card",
    "find_file",
    "list_models",
    "load_model",
    "load_network",
]

_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_PRECISIONS = ("single", "half")
_SHIPPED_HINT = "install the package again"
_MAX_CARD = 2**20


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
    precision : str, optional
        "single", or "half" to compute in bfloat16.

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
        precision: str = "single",
    ) -> None:
        import torch

        self.card, self.sha256 = card, sha256
        self.radius, self.pooling = card.radius, card.pooling
        self.notices: list[str] = _doubts(card)
        self.device, self.precision = "cpu", precision
        if threads:
            torch.set_num_threads(threads)
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # The first answer of a network is the noise, under whatever name.
        self._heads = ("noise", *getattr(network, "heads", ())[1:])
        # From a device that is lost nothing comes back: the CPU keeps its own weights.
        self._there: nn.Module | None = None
        wanted = choose_device(device)
        if wanted != "cpu":
            try:
                self._there = deepcopy(self._network).to(wanted)
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
        return self.appraise(z, level, rho=rho, sigma_e=sigma_e, heads=())["noise"]

    def appraise(
        self,
        z: "Float",
        level: float,
        *,
        rho: float = 0.0,
        sigma_e: float | None = None,
        heads: "Collection[str] | None" = None,
    ) -> "dict[str, Float]":
        """Predict the noise, and what else the network has to say of an image.

        Parameters
        ----------
        z, level, rho, sigma_e
            As for `denoise`.
        heads : collection of str, optional
            What is wanted beside the noise; all that there is by default.

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
        if self.card.objective not in OF_IMAGES:
            raise UsageError(
                f"the model {self.card.name} does not predict the noise of an image",
                f"it is for the method {self.card.method}",
            )
        ny, nx = z.shape
        fill = [(0, -n % self.pooling) for n in z.shape]
        z = np.asarray(z, np.float32)
        padded = np.pad(z, fill, mode="edge") if fill != [(0, 0), (0, 0)] else z
        condition = np.array([self._condition(rho, sigma_e)], np.float32)
        names = [
            name
            for name in self._heads
            if heads is None or name == "noise" or name in heads
        ]
        chosen = [self._heads.index(name) for name in names]
        inputs = (padded[None, None], np.array([level]), condition)
        out = self.evaluate(*inputs, heads=chosen)
        return {
            name: meaning(name, answer[:ny, :nx])
            for name, answer in zip(names, out[0], strict=True)
        }

    def evaluate(
        self, image: "Float", *rest: "Float", heads: "Sequence[int] | None" = None
    ) -> "Float":
        """Run the bare network.

        Parameters
        ----------
        image : ndarray
            (b, 1, ny, nx) float32, as the network takes it (see
            `bgrem_core.networks`); sides are multiples of `pooling`.
        *rest : ndarray
            Its further inputs; float32, first axis = batch.
        heads : sequence of int, optional
            Which of its heads; all by default.

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
        if self._there is not None:
            try:
                return _finite(self._forward(self._there, inputs, heads))
            except Exception as error:  # noqa: BLE001 - drivers raise anything
                self._fall_back(self.device, error)
        try:
            return self._forward(self._network, inputs, heads)
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

    def _forward(
        self,
        network: "nn.Module",
        inputs: "list[Float]",
        heads: "Sequence[int] | None",
    ) -> "Float":
        import torch

        half = torch.autocast(
            self.device.split(":")[0],
            torch.bfloat16,
            enabled=self.precision == "half",
        )
        with torch.inference_mode(), half:
            # clone: torch must not write into what the caller may hold read-only.
            image, *rest = (torch.tensor(a).to(self.device) for a in inputs)
            image = image.contiguous(memory_format=torch.channels_last)
            some = getattr(network, "forward_some", None)
            if heads is not None and some is not None:
                answer = some(image, *rest, heads)
            else:
                # All heads at once: they differ in the last convolution alone.
                answer = getattr(network, "forward_heads", network)(image, *rest)
                answer = answer if heads is None else answer[:, list(heads)]
            out: Float = answer.float().cpu().numpy()
        return out

    def _fall_back(self, device: str, error: Exception) -> None:
        why = plain(" ".join(str(error).split()))[:120] or type(error).__name__
        self.notices.append(f"{device} failed ({why}); the CPU is used instead")
        self.device, self._there = "cpu", None


def _finite(answer: "Float") -> "Float":
    """Take an answer of a device only if there are numbers in it."""
    if not np.isfinite(answer).all():
        raise ArithmeticError("its answer is not finite")
    return answer


def list_models() -> tuple[ModelCard, ...]:
    """Return the cards of the models that ship with the package.

    Returns
    -------
    tuple of ModelCard
        By name. Torch is not needed. A model whose file is damaged is left out, as the
        others can be used; ``bgrem doctor`` tells of it.
    """
    cards = []
    for name in shipped():
        with suppress(ModelError):
            cards.append(find_card(name))
    return tuple(cards)


def shipped() -> tuple[str, ...]:
    """Return the names of the files that ship as models, sound or not."""
    return tuple(sorted(path.stem for path in _folder().glob("*.safetensors")))


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
    return _card(_read(find_file(name_or_path), body=False))


def load_model(
    name_or_path: str,
    *,
    device: str = "auto",
    threads: int = 0,
    precision: str = "single",
) -> Model:
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
    precision : str, optional
        "single", or "half" to compute in bfloat16: faster where the machine has it.

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
        The device or the precision is unknown.
    """
    if device not in _DEVICES:
        raise UsageError(f"device={device!r} is unknown", f"use {', '.join(_DEVICES)}")
    if precision not in _PRECISIONS:
        raise UsageError(
            f"precision={precision!r} is unknown", f"use {', '.join(_PRECISIONS)}"
        )
    card, network, sha256 = load_network(name_or_path)
    from bgrem_core.networks import rewritten

    return Model(
        card,
        rewritten(network),
        sha256=sha256,
        device=device,
        threads=threads,
        precision=precision,
    )


def load_network(name_or_path: str) -> "tuple[ModelCard, nn.Module, str]":
    """Load a bare network as it was trained; `load_model` gives what is for use.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped model, or path of a safetensors file.

    Returns
    -------
    tuple
        Its card, the network in evaluation mode on the CPU, the SHA-256 of the file.

    Raises
    ------
    ModelError
        As for `load_model`.
    """
    file = _read(find_file(name_or_path))
    card = _card(file)
    _check_hash(file)
    return card, _build(file, card).eval(), file.sha256


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


def find_file(name_or_path: str) -> Path:
    """Return the file of a model.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped model, or path of a safetensors file.

    Returns
    -------
    pathlib.Path
        A path that was given may not exist.

    Raises
    ------
    ModelError
        No model of that name ships, and it does not look like a path.
    """
    known = shipped()
    if name_or_path in known:
        return _folder() / f"{name_or_path}.safetensors"
    path = Path(name_or_path)
    looks_like_file = bool(path.suffix) or len(path.parts) > 1
    if not looks_like_file and not path.is_file():
        raise ModelError(
            f"there is no model {name_or_path!r}",
            f"use {', '.join(known) or 'a path'} or the path of a safetensors file",
        )
    return path


def _read(path: Path, *, body: bool = True) -> slim.SlimFile:
    try:
        return slim.read(path, body=body)
    except ModelError as error:
        if path.parent != _folder():
            raise
        raise ModelError(error.sentence, _SHIPPED_HINT) from error


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
        with beside.open("rb") as text:
            hashes = _SHA256.findall(text.read(_MAX_CARD).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{beside.name} cannot be read", _SHIPPED_HINT) from error
    # A text beside a foreign file need not be a card at all, nor end.
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


def choose_device(device: str) -> str:
    """Return where networks run.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        As in `RunSettings`.

    Returns
    -------
    str
        "auto" is cuda where there is a GPU, else mps, else cpu.
    """
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
