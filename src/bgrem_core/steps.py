"""Steps: a method watched at work, for teaching and for doubt."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.crop import crop
from bgrem_core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bgrem_core.image import Image
    from bgrem_core.methods.base import Method
    from bgrem_core.normalize import Scale
    from bgrem_core.planes import Block
    from bgrem_core.settings import RunSettings

    Floats = NDArray[np.float32]

__all__ = ["SIDE", "Steps", "record_steps"]

SIDE = 256
"""Pixels a side that are recorded: a few megabytes in all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """What a method made of a cut-out, step by step.

    Attributes
    ----------
    images : ndarray of float32, shape (n + 1, ny, nx)
        The cut-out as observed, then after each step; image unit, sky still in.
    noises : ndarray of float32, shape (n, ny, nx)
        The noise that each step saw in the image before it; image unit.
    sigmas : tuple of float
        Noise level of each image as the method counts it, in units of the noise; n + 1
        values that fall from 1 to 0.
    sigma : float
        Noise of the frame, image unit.
    default : int
        Steps that the model takes if nothing is said.
    block : tuple of slice
        Rows and columns of the image that were watched.
    """

    images: "Floats"
    noises: "Floats"
    sigmas: tuple[float, ...]
    sigma: float
    default: int = 1
    block: "Block" = (slice(0, 0), slice(0, 0))

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.noises)

    def captions(self) -> tuple[str, ...]:
        """Return a sentence for each image: what is left, and what was seen.

        Returns
        -------
        tuple of str
            One more than there are steps.
        """
        said = ["As observed: all of the noise is in it."]
        for k in range(1, len(self.images)):
            gone = 1 - self.sigmas[k]
            taken = _deviation(self.images[0] - self.images[k])
            words = f"After step {k} of {len(self)}: {gone:.0%} of the noise is gone"
            if self.sigma > 0:
                words += f" ({taken / self.sigma:.2f} sigma were taken away)"
            said.append(f"{words}.")
        return tuple(said)


def record_steps(
    image: "Image",
    method: "Method",
    settings: "RunSettings",
    *,
    x: float,
    y: float,
    scale: "Scale | None" = None,
    side: int = SIDE,
) -> Steps:
    """Watch a method at work on a small part of an image.

    Parameters
    ----------
    image : Image
        The whole frame.
    method : Method
        Such as ``get_method("bgrem")``.
    settings : RunSettings
        Of that method. With ``steps`` None at least eight are taken, so that there is
        something to watch.
    x, y : float
        Middle of the part, pixels, 0-based.
    scale : Scale, optional
        Noise of the whole frame; by default that of the part.
    side : int, optional
        Pixels a side; less where the image is smaller.

    Returns
    -------
    Steps
        With its ``block``.

    Raises
    ------
    UsageError
        The method has no steps.

    References
    ----------
    .. [1] arXiv:2510.04718, section 3 (reverse steps).
    """
    if method.record is None:
        raise UsageError(
            f"the method {method.name} works in one go: there are no steps to watch",
            hint="choose the method bgrem",
        )
    block = tuple(
        _window(at, n, side) for at, n in zip((y, x), image.shape, strict=True)
    )
    rows, cols = block
    part = crop(image, (rows, cols), scale=scale)
    return replace(method.record(part, settings), block=(rows, cols))


def _window(at: float, n: int, side: int) -> slice:
    """Return `side` pixels round a position that lie inside n pixels."""
    start = min(max(round(at) - side // 2, 0), max(n - side, 0))
    return slice(start, min(start + side, n))


def _deviation(values: "Floats") -> float:
    good = values[np.isfinite(values)]
    return float(good.std()) if good.size else 0.0
