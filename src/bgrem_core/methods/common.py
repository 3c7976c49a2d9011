"""Steps that methods share: the scale pass, and planes of sky."""

from collections.abc import Callable, Generator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ModelError
from bgrem_core.image import Image, MaskBit
from bgrem_core.kept import Scratch
from bgrem_core.normalize import Scale, measure_scale
from bgrem_core.planes import LazyPlane, Plane, allocate, bands
from bgrem_core.progress import Progress
from bgrem_core.settings import RunSettings
from bgrem_core.sky import Sky, iter_sky
from bgrem_core.sky_choice import choose_sky_scale
from bgrem_core.tiles import Grid, Tile, nearest

if TYPE_CHECKING:
    from bgrem_core.models import Model
    from bgrem_core.separation import Separation

T = TypeVar("T")
Float = NDArray[np.float32]


def scale_pass(
    image: Image, *, norm: float = 0.0, estimator: str = "mesh"
) -> Generator[Progress, None, Scale]:
    """Measure offset and noise of the whole frame, or keep what is known."""
    if image.scale is not None:
        return image.scale
    steps = measure_scale(image, norm=norm, estimator=estimator)
    return (yield from counted("scale", steps))


def frame_scale(
    image: Image, settings: RunSettings
) -> Generator[Progress, None, Scale]:
    """Measure the scale of a frame as the method with these settings does."""
    norm, estimator = scale_options(settings)
    return (yield from scale_pass(image, norm=norm, estimator=estimator))


def scale_options(settings: RunSettings) -> tuple[float, str]:
    """Return what decides the scale: the factor given by hand, and the estimator."""
    return getattr(settings, "norm", 0.0), getattr(settings, "normalizer", "mesh")


def sky_pass(
    plane: Plane,
    flags: Plane,
    *,
    scale: Scale,
    setting: int | str,
    denoised: bool,
) -> Generator[Progress, None, Sky]:
    """Choose the scale of the sky and measure it on a plane, denoised or as it is."""
    choice = choose_sky_scale(setting, data=plane, flags=flags, scale=scale)
    steps = iter_sky(
        plane,
        flags,
        choice=choice,
        sigma=scale.sigma,
        denoised=denoised,
        fwhm=scale.fwhm,
    )
    return (yield from counted("sky", steps))


def counted(
    stage: str, steps: Generator[tuple[int, int], None, T]
) -> Generator[Progress, None, T]:
    """Turn (done, total) of a part of the work into `Progress`."""
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield Progress(stage=stage, done=done, total=total)


def loading(settings: RunSettings) -> dict[str, Any]:
    """Return the options of `load_model` that the settings decide."""
    names = ("device", "threads", "precision")
    return {name: getattr(settings, name) for name in names}


def check_method(model: "Model", method: str, name: str) -> None:
    """Refuse a model, by the name that the user gave it, of another method."""
    if model.card.method != method:
        raise ModelError(
            f"the model {name!r} is for the method {model.card.method}",
            hint=f"use --method {model.card.method}",
        )


def over_tiles(
    tiles: Grid, work: Callable[[Tile], Float], kept: Scratch | None = None
) -> Generator[Progress, Any, None]:
    """Do tiles, those in view first; `work` gives what a window shows of one.

    Tiles that are `kept` from an earlier run are not done again.
    """
    kept = kept or Scratch()
    waiting, total = [tile for tile in tiles if not kept.done(tile)], len(tiles)
    first = total - len(waiting)
    view = yield Progress(stage="tiles", done=first, total=total, note=kept.note)
    for done in range(first + 1, total + 1):
        tile = waiting.pop(nearest(waiting, view))
        block = work(tile)
        kept.finish(tile)
        said = yield Progress(
            stage="tiles", done=done, total=total, tile=tile, block=block
        )
        view = said or view


def working_flags(image: Image, grow: int) -> NDArray[np.uint8]:
    """Return the image's flags, with the mask grown by `grow` pixels as USER."""
    if not grow or not image.flags.any():
        return image.flags
    from scipy.ndimage import maximum_filter

    flags = allocate(image.shape, np.uint8)
    for rows in bands(image.shape):
        # Each band sees its neighbours within reach, so bands leave no trace.
        low = max(0, rows.start - grow)
        near = image.flags[low : rows.stop + grow] != 0
        grown = maximum_filter(near, size=2 * grow + 1, mode="constant")
        own = image.flags[rows]
        inner = grown[rows.start - low : rows.stop - low]
        flags[rows] = own | np.where(inner & (own == 0), MaskBit.USER, 0).astype("u1")
    return flags


def finite_only(plane: Plane, image: Image) -> LazyPlane:
    """Return a plane that is NaN where the image is not finite."""

    def evaluate(rows: slice, cols: slice) -> NDArray[np.float32]:
        block = np.array(plane[rows, cols], np.float32)
        block[~np.isfinite(image.data[rows, cols])] = np.nan
        return block

    return LazyPlane(image.shape, evaluate)


def difference(a: Plane, b: Plane, shape: tuple[int, int]) -> LazyPlane:
    """Return ``a - b``, evaluated by block."""
    return LazyPlane(shape, lambda rows, cols: a[rows, cols] - b[rows, cols])


def norm_of(scale: Scale) -> float:
    """Return the factor by which the frame was multiplied, 1 / sigma; NaN for none."""
    return 1 / scale.median_sigma if scale.median_sigma > 0 else float("nan")


def package_version() -> str:
    """Return the version of this package."""
    try:
        return version("napari-bgrem")
    except PackageNotFoundError:
        return "0.0.0"


def no_rows(
    _separation: "Separation", _x: float, _y: float
) -> tuple[tuple[str, str], ...]:
    """Add nothing to what a window shows of a source."""
    return ()
