"""The functions that scripts and notebooks call; windows and the CLI stand on them."""

import dataclasses
import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bgrem_core.engine.extra import is_dask
from bgrem_core.errors import UsageError
from bgrem_core.image import Opened, Stack
from bgrem_core.io import open_image
from bgrem_core.methods import METHODS, Method, get_method
from bgrem_core.progress import Progress, drain, relabel
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings, OpenSettings, RunSettings
from bgrem_core.stack import StackSeparation

if TYPE_CHECKING:
    from astropy.table import QTable

    from bgrem_core.inspection import Inspection
    from bgrem_core.photometry import How

S = TypeVar("S")
Result = Separation | StackSeparation


def clean(image: object, *, method: str = "bgrem", **settings: Any) -> Any:
    """Separate an image into what is kept and what is taken away.

    Parameters
    ----------
    image : Image, Stack, path, HDU, ndarray, NDData, CCDData or dask array
        Any linear unit; masked and non-finite pixels are not used.
    method : str, optional
        A key of METHODS: "bgrem", "mesh", "systematics", "stars" or "gamma"; for a
        dask array one of the first two.
    **settings
        Fields of that method's settings, and of `OpenSettings` for how the image is
        read.

    Returns
    -------
    Separation or StackSeparation
        Its parts and ``cleaned`` sum to the image to 1 ulp, in the image's unit; one
        for each plane of a `Stack`. For a dask array a `LazySeparation`, of which only
        the scale is known at once; it is not for viewers that ask block by block.

    Raises
    ------
    UsageError
        An unknown method or setting, or a value out of range.
    ReadError, ImageError
        The image cannot be read, or holds nothing to work on.
    ModelError
        The model cannot be loaded.

    References
    ----------
    .. [1] arXiv:2510.04718, section 3.
    """
    if is_dask(image):
        from bgrem_core.engine.lazy import lazy_clean

        return lazy_clean(image, method=method, settings=settings)
    return drain(iter_clean(image, method=method, **settings))


def remove_systematics(image: object, **settings: Any) -> Any:
    """Take star trails, rows and columns off a raw frame of a satellite.

    Parameters
    ----------
    image : Image, Stack, path, HDU, ndarray, NDData or CCDData
        As in `clean`: raw frames of a sensor that follows satellites.
    **settings
        Fields of the settings of the method "systematics", and of `OpenSettings`.

    Returns
    -------
    Separation or StackSeparation
        As `clean` with ``method="systematics"`` gives.

    Raises
    ------
    UsageError, ReadError, ImageError, ModelError
        As in `clean`.
    """
    return clean(image, method="systematics", **settings)


def remove_stars(image: object, **settings: Any) -> Any:
    """Take the stars off an image, and leave galaxies and nebulae as they are.

    Parameters
    ----------
    image : Image, Stack, path, HDU, ndarray, NDData or CCDData
        As in `clean`: any linear unit, sky included or not. Planes of a `Stack` share
        the list of stars; each has its own fluxes.
    **settings
        Fields of the settings of the method "stars", and of `OpenSettings`.

    Returns
    -------
    Separation or StackSeparation
        As `clean` with ``method="stars"`` gives: ``cleaned`` is the starless image,
        ``parts["stars"]`` the stars alone.

    Raises
    ------
    UsageError, ReadError, ImageError, ModelError
        As in `clean`.
    """
    return clean(image, method="stars", **settings)


def iter_clean(
    image: object, *, method: str = "bgrem", **settings: Any
) -> Generator[Progress, None, Result]:
    """Separate an image step by step; closing the generator cancels.

    Parameters
    ----------
    image : Image, Stack, path, HDU, ndarray, NDData or CCDData
        As in `clean`.
    method : str, optional
        A key of METHODS.
    **settings
        As in `clean`.

    Returns
    -------
    Separation or StackSeparation
        As in `clean`.

    Yields
    ------
    Progress
        After each step.
    """
    chosen = get_method(method)
    opening, running = split_settings(chosen, settings)
    if chosen.opening and isinstance(image, (str, os.PathLike)):
        opening = chosen.opening(Path(image), opening)
    return run(open_image(image, settings=opening), chosen, running)


def run(
    opened: Opened, method: Method, settings: RunSettings, kept: Path | None = None
) -> Generator[Progress, Any, Result]:
    """Run a method over an opened image, or over each plane of a stack.

    With a folder, `kept`, the tiles that are finished in it are not done again.
    """
    if not isinstance(opened, Stack) or method.takes_stack:
        result: Result = yield from _steps(opened, method, settings, kept)
        return result
    planes = []
    for k, plane in enumerate(opened.planes):
        own = kept and kept.with_name(f"{kept.name}-{k}")
        done = yield from relabel(
            _steps(plane, method, settings, own), _of_plane(k, len(opened))
        )
        planes.append(done)
    return StackSeparation(stack=opened, planes=tuple(planes))


def _steps(
    image: Any, method: Method, settings: RunSettings, kept: Path | None
) -> Generator[Progress, Any, Separation]:
    if kept is None:
        return method.iterate(image, settings)
    check_resumable(method)
    assert method.resume is not None  # noqa: S101 - just checked
    return method.resume(image, settings, kept)


def check_resumable(method: Method) -> None:
    """Check that a run of a method can be continued.

    Raises
    ------
    UsageError
        It keeps no tiles.
    """
    if method.resume is None:
        able = ", ".join(m.name for m in METHODS.values() if m.resume)
        raise UsageError(
            f"a run of the method {method.name} cannot be continued",
            hint=f"leave out --resume, which is for {able}",
        )


def _of_plane(k: int, number: int) -> Callable[[Progress], Progress]:
    def named(step: Progress) -> Progress:
        name = f"{step.stage}, plane {k + 1} of {number}"
        return dataclasses.replace(step, stage=name)

    return named


def find_sources(separation: Separation, **settings: Any) -> "QTable":
    """Find and measure the sources of a separated image.

    Parameters
    ----------
    separation : Separation
        What `clean` returned.
    **settings
        Fields of `FindSettings`.

    Returns
    -------
    astropy.table.QTable
        One row for each source; fluxes are measured on the photometric plane, which is
        not denoised.

    Raises
    ------
    UsageError
        An unknown setting, or a value out of range.
    """
    separation = single(separation)
    method = get_method(separation.provenance.method)
    return method.find(separation, make_settings(FindSettings, settings))


def measure(
    separation: Separation,
    x: Sequence[float],
    y: Sequence[float],
    *,
    method: "How" = "auto",
) -> "QTable":
    """Measure fluxes at given positions on the photometric plane.

    Parameters
    ----------
    separation : Separation
        What `clean` returned.
    x, y : sequence of float
        Positions in pixels, 0-based, x along columns.
    method : {"auto", "aperture", "kron", "psf"}, optional
        How the flux is summed; "auto" fits the PSF where apertures overlap, and always
        in photons (method "gamma").

    Returns
    -------
    astropy.table.QTable
        One row for each position, in order.

    Raises
    ------
    UsageError
        `x` and `y` differ in shape, or the result has several planes.
    """
    from bgrem_core.photometry import measure_at

    separation = single(separation)
    if np.shape(x) != np.shape(y):
        raise UsageError(
            f"x has the shape {np.shape(x)} and y {np.shape(y)}",
            hint="give one y for each x",
        )
    made_by = METHODS.get(separation.provenance.method)
    if made_by is not None and made_by.measure and method == "auto":
        return made_by.measure(separation, np.asarray(x, float), np.asarray(y, float))
    return measure_at(separation, x, y, method=method)


def inspect(separation: Separation, x: float, y: float) -> "Inspection":
    """Look at the source nearest to a pixel, before and after.

    Parameters
    ----------
    separation : Separation
        What `clean` returned.
    x, y : float
        Position in pixels, 0-based.

    Returns
    -------
    Inspection
        Position, fluxes with errors, radial profiles and curves of growth.
    """
    from bgrem_core.inspection import inspect as look

    return look(single(separation), x, y)


def single(result: Result) -> Separation:
    """Return the one separation of a result.

    Raises
    ------
    UsageError
        The result has several planes.
    """
    if isinstance(result, StackSeparation):
        raise UsageError(
            f"this result has {len(result)} planes",
            hint="use result.planes[k] with k from 0",
        )
    return result


def make_settings(kind: type[S], values: dict[str, Any]) -> S:
    """Build a settings object, naming a field that does not exist.

    Raises
    ------
    UsageError
        An unknown field, or a value out of range.
    """
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise UsageError(
                f"setting {name!r} is not known", hint=f"use one of {', '.join(known)}"
            )
    return kind(**values)


def split_settings(
    method: Method, values: dict[str, Any]
) -> tuple[OpenSettings, RunSettings]:
    """Part keywords into those of the door and those of a method."""
    door = {f.name for f in dataclasses.fields(OpenSettings)}
    opening = {k: v for k, v in values.items() if k in door}
    running = {k: v for k, v in values.items() if k not in door}
    return make_settings(OpenSettings, opening), make_settings(method.settings, running)
