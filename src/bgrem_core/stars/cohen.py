"""Star removal after Cohen & Lu (2021): diffuse what is symmetric, keep the rest."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import ArrayLike

from bgrem_core.stars.cohen_code import as_coded
from bgrem_core.stars.cohen_paper import as_printed
from bgrem_core.stars.diffusion import Diffusion, DiffusionSettings
from bgrem_core.stars.plane import float_plane
from bgrem_core.stars.steps import last

__all__ = ["cohen2021", "iter_cohen2021"]


def iter_cohen2021(
    image: ArrayLike, settings: DiffusionSettings | None = None
) -> Iterator[Diffusion]:
    """Remove stars by the diffusion of Cohen and Lu, step by step.

    Parameters
    ----------
    image : array_like
        (ny, nx), finite, grey levels from 0 to 255 (`bgrem_core.stars.grey` makes
        them); other numbers are taken as they are.
    settings : DiffusionSettings, optional
        By default those of the paper for its synthetic image.

    Yields
    ------
    Diffusion
        After each step, with arrays of its own; what is not kept is freed, so that
        memory does not grow with the number of steps. Closing the iterator cancels.

    Raises
    ------
    ImageError
        Not a plane of finite pixels, or none of them is signal.

    References
    ----------
    .. [1] Cohen & Lu 2021, Astronomy and Computing 37, 100507: equations 2, 4, 6-8.
    """
    settings = settings or DiffusionSettings()
    plane = float_plane(image)
    if settings.variant == "paper":
        return as_printed(plane, settings)
    return as_coded(plane, settings)


def cohen2021(image: ArrayLike, **settings: Any) -> Diffusion:
    """Remove stars by the diffusion of Cohen and Lu.

    Parameters
    ----------
    image : array_like
        (ny, nx), finite, grey levels from 0 to 255.
    **settings
        Fields of `DiffusionSettings`.

    Returns
    -------
    Diffusion
        The last step; its ``image`` is what the method calls starless, and its
        ``asymmetry``, ``enhancement``, ``conduction``, ``residue`` and ``stop`` (B) are
        what led there. With `variant` "code" the image has the sum of the input: light
        is spread and not taken away.

    Raises
    ------
    UsageError
        A setting out of its range.
    ImageError
        Not a plane of finite pixels, or none of them is signal.

    References
    ----------
    .. [1] Cohen & Lu 2021, Astronomy and Computing 37, 100507.
    """
    return last(iter_cohen2021(image, DiffusionSettings(**settings)))
