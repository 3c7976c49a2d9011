"""The method "stars": stars off an image, galaxies and nebulae left as they are.

Stars are found on the mean of all planes and subtracted by the PSF of each; the light
that is left and the light that was taken sum to the image.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from bgrem_core.errors import ImageError
from bgrem_core.image import Image, MaskBit, Stack
from bgrem_core.io.provenance import Provenance
from bgrem_core.methods.base import Method
from bgrem_core.methods.common import (
    counted,
    difference,
    finite_only,
    package_version,
    scale_pass,
    working_flags,
)
from bgrem_core.planes import LazyPlane, Plane
from bgrem_core.progress import Progress, relabel
from bgrem_core.separation import Separation
from bgrem_core.settings import RunSettings
from bgrem_core.sky import iter_sky
from bgrem_core.sky_choice import choose_sky_scale
from bgrem_core.stack import StackSeparation
from bgrem_core.stars.catalogue import star_table
from bgrem_core.stars.options import StarOptions
from bgrem_core.stars.published import iter_diffusion
from bgrem_core.stars.remove import iter_remove
from bgrem_core.stars.seen import listed_star
from bgrem_core.stars.settings import DIFFUSIONS, StarsSettings
from bgrem_core.strength import Slider

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.settings import FindSettings
    from bgrem_core.stars.result import StarRemoval

    Result = Separation | StackSeparation

LEVEL = 64
"""Scale of the level under the photometric plane, pixels."""
_MOST_SATURATED = 0.5
_EDGE = 0.25
SLIDER = Slider(
    label="Star amount",
    about="How much of the stars is in the middle image: 0 % is without them, 100 % is "
    "the original; works at once, without a run",
    of_left=True,
    none="",
)


def iterate(
    image: "Image | Stack", settings: StarsSettings
) -> "Generator[Progress, Any, Result]":
    """Take the stars off an image or off all planes of one; see `Method.iterate`."""
    planes = image.planes if isinstance(image, Stack) else (image,)
    if len({plane.shape for plane in planes}) > 1:
        raise ImageError(
            "the planes have different sizes",
            hint="choose one with --plane, or one HDU with -i",
        )
    flags = [working_flags(plane, settings.mask_grow) for plane in planes]
    removal = yield from _remove(planes, flags, settings)
    done = []
    for k, plane in enumerate(planes):
        done.append((yield from _separation(plane, flags[k], removal, k, settings)))
    if isinstance(image, Stack):
        return StackSeparation(stack=image, planes=tuple(done))
    return done[0]


def _remove(
    planes: "Sequence[Image]", flags: "list[NDArray[np.uint8]]", settings: StarsSettings
) -> "Generator[Progress, Any, StarRemoval]":
    data = np.stack([plane.data for plane in planes])
    if settings.way in DIFFUSIONS:
        bad = np.logical_or.reduce([f != 0 for f in flags])
        return (yield from iter_diffusion(data, bad, settings))
    bad = np.logical_or.reduce([_unusable(f) for f in flags])
    _check_saturated(flags, bad)
    levels = [p.saturation for p in planes if p.saturation is not None]
    options = StarOptions(
        method=settings.way, fwhm=planes[0].fwhm, threshold=settings.threshold,
        saturation=min(levels, default=None), keep_extended=not settings.extended,
        spread_max=settings.spread, noise=settings.noise, seed=settings.seed,
    )  # fmt: skip
    return (yield from iter_remove(data, bad, options))


def _unusable(flags: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Return the pixels that say nothing of stars: saturated stars are stars."""
    saturated = (flags & MaskBit.SATURATED) != 0
    flat = saturated & ((flags & MaskBit.NO_COVERAGE) != 0)
    if flat.any():
        # Flat tops of many stars look like what no camera has seen; that takes up
        # much of an edge.
        label, count = ndimage.label(flat, np.ones((3, 3)))
        rim = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
        long = np.bincount(rim, minlength=count + 1) > _EDGE * min(flags.shape)
        flat &= ~long[label]
    known = np.uint8(MaskBit.SATURATED) | flat * np.uint8(MaskBit.NO_COVERAGE)
    out: NDArray[np.bool_] = (flags & ~known) != 0
    return out


def _check_saturated(
    flags: "list[NDArray[np.uint8]]", bad: "NDArray[np.bool_]"
) -> None:
    """Refuse frames in which saturated pixels leave no sky to see stars on."""
    some = np.logical_or.reduce([(f & MaskBit.SATURATED) != 0 for f in flags])
    count, usable = int(np.sum(some & ~bad)), int(np.sum(~bad))
    if count > _MOST_SATURATED * usable:
        raise ImageError(
            f"{count} of the {usable} pixels that can be used are saturated: there is "
            "no sky to see stars on",
            hint="give their level with --saturation, in the unit of the image",
        )


def _separation(
    image: Image,
    flags: "NDArray[np.uint8]",
    removal: "StarRemoval",
    k: int,
    settings: StarsSettings,
) -> "Generator[Progress, Any, Separation]":
    """Put one plane together."""
    whole = removal.stars[k]
    strength = settings.strength
    taken: Plane = whole
    if strength != 1:
        taken = LazyPlane(image.shape, lambda r, c: strength * whole[r, c])
    flags = flags | np.where(removal.filled, MaskBit.FILLED, 0).astype(np.uint8)
    scale = yield from scale_pass(image)
    if math.isfinite(removal.fwhm) and image.fwhm is None:
        scale = dataclasses.replace(scale, fwhm=removal.fwhm)
    level = yield from _level(image, flags, scale)
    parts: dict[str, Plane] = {"stars": finite_only(taken, image)}
    extras: dict[str, Plane] = {
        "filled": removal.filled.astype(np.float32),
        "support": removal.support.astype(np.float32),
    }
    notices = (*image.notices, *scale.notices, *removal.notices)
    made = Provenance(
        version=package_version(),
        method="stars",
        sky="kept",
        seed=settings.seed,
        gain=image.gain,
        settings=dataclasses.asdict(settings),
        measured={
            "way": removal.method,
            "stars": int(np.sum(~removal.table.left)),
            "left": int(np.sum(removal.table.left)),
            "saturated": int(np.sum(removal.table.saturated & ~removal.table.left)),
            "fwhm": float(removal.fwhm),
        },
    )
    if settings.denoise:
        quiet = yield from _denoised(image, removal.starless[k], settings)
        parts["noise"] = quiet.parts["noise"]
        extras["rms"] = quiet.extras["rms"]
        made = dataclasses.replace(
            made, model=quiet.provenance.model, steps=quiet.provenance.steps,
            model_sha256=quiet.provenance.model_sha256, norm=quiet.provenance.norm,
        )  # fmt: skip
        notices += quiet.notices
    result = Separation(
        image=image,
        parts=parts,
        flags=flags,
        scale=scale,
        provenance=made,
        photometric=level,
        extras=extras,
        notices=tuple(dict.fromkeys(notices)),
    )
    full = dataclasses.replace(result, parts={"stars": whole})
    return dataclasses.replace(result, catalog=star_table(full, removal, k))


def _level(
    image: Image, flags: "NDArray[np.uint8]", scale: Any
) -> "Generator[Progress, Any, Plane]":
    """Return the image without its level, stars and all: what fluxes are read off."""
    choice = choose_sky_scale(LEVEL, data=image.data, flags=flags, scale=scale)
    steps = iter_sky(
        image.data, flags, choice=choice, sigma=scale.sigma, denoised=False,
        fwhm=scale.fwhm,
    )  # fmt: skip
    sky = yield from counted("sky", steps)
    return difference(image.data, finite_only(sky.mesh, image), image.shape)


def _denoised(
    image: Image, starless: "NDArray[np.float32]", settings: StarsSettings
) -> "Generator[Progress, Any, Separation]":
    """Take the noise, and no sky, off what is left."""
    from bgrem_core.methods.bgrem import BGREM, BGRemSettings

    names = [f.name for f in dataclasses.fields(RunSettings)]
    common = {name: getattr(settings, name) for name in names}
    left = dataclasses.replace(image, data=starless)
    steps = BGREM.iterate(left, BGRemSettings(sky_scale="none", **common))
    done: Separation = yield from relabel(
        steps, lambda s: dataclasses.replace(s, stage=f"noise: {s.stage}", block=None)
    )
    return done


def find(separation: Separation, settings: "FindSettings") -> "QTable":
    """Return the stars that were taken away; see `Method.find`.

    With a threshold, those of that signal to noise and more.
    """
    table = separation.catalog
    if table is None:
        raise ImageError(
            "this result does not know its stars any more", hint="run the method again"
        )
    least = settings.threshold
    table = table[np.asarray(table["snr"]) >= least] if least else table.copy()
    table["id"] = np.arange(1, len(table) + 1, dtype=np.int32)
    made = dataclasses.asdict(separation.provenance)
    table.meta.update(
        {
            "find": dataclasses.asdict(settings),
            "threshold": settings.threshold
            or separation.provenance.settings["threshold"],
            "threshold_unit": "signal to noise of a fit of the PSF",
            "expected_false": math.nan,
            "gain": separation.image.gain,
            "zeropoint": separation.image.zeropoint,
            "noise": separation.scale.source,
            "noise_sigma": separation.scale.median_sigma,
            "fwhm": separation.provenance.measured["fwhm"],
            "provenance": {
                k: dict(v) if isinstance(v, dict) else v for k, v in made.items()
            },
        }
    )
    return table


def inspect_rows(
    separation: Separation, x: float, y: float
) -> tuple[tuple[str, str], ...]:
    """Say whether a star was taken at a place; see `Method.inspect_rows`."""
    if separation.provenance.settings["way"] in DIFFUSIONS:
        return (("Star taken", "unknown: this way knows no list of stars"),)
    star = listed_star(separation, x, y)
    return (("Star taken", "none here"),) if star is None else star.rows


def assumed(separation: Separation, _: "FindSettings") -> tuple[str, ...]:
    """Say what was assumed and measured; see `Method.assumed`."""
    made = separation.provenance
    known, chosen = made.measured, made.settings
    fwhm = known["fwhm"]
    width = f"{fwhm:.2f} pix" if math.isfinite(fwhm) else "unknown"
    told = _told(separation.image.fwhm, fwhm)
    how = f"stars by {known['way']} (--stars-way)"
    how += f", from S/N {chosen['threshold']:g} on (--stars-threshold)"
    taken = f"{known['stars']} stars taken, {known['saturated']} of them saturated"
    stay = f"{known['left']} wider sources stay (--stars-spread)"
    return (
        how,
        f"FWHM {width} ({told})",
        f"{taken} (--saturation); {stay}",
        "sky stays in the image",
    )


def _told(told: float | None, used: float) -> str:
    """Say where the width comes from."""
    if told is None or not math.isfinite(used):
        return "--fwhm"
    if told != used:
        return f"not {told:g}, as told by --fwhm"
    return "as told by --fwhm"


STARS = Method(
    name="stars",
    label="Stars",
    settings=StarsSettings,
    panels=("Original", "Starless", "Stars"),
    iterate=iterate,  # type: ignore[arg-type]
    find=find,
    inspect_rows=inspect_rows,
    listed=listed_star,
    slider=SLIDER,
    takes_light=True,
    parts=("stars", "noise"),
    takes_stack=True,
    columns=(("spread", "Spread", 3),),
    assumed=assumed,
)
