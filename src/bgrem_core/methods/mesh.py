"""The method "mesh": a classical sky of clipped cells, taken off the image as it is."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgrem_core.image import Image
from bgrem_core.io.provenance import Provenance
from bgrem_core.methods.base import Method
from bgrem_core.methods.common import (
    difference,
    finite_only,
    no_rows,
    package_version,
    scale_pass,
    sky_pass,
    working_flags,
)
from bgrem_core.options import option
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings, RunSettings

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import QTable
    from numpy.typing import NDArray


def sky_scale_option() -> object:
    """Declare the option that every method with a sky shares."""
    return option(
        default="auto",
        help="scale of the sky that is taken off; smaller removes more",
        unit="pix",
        range=(8, 100000),
        choices=("auto", "none"),
        flags=("--sky-scale",),
    )


@dataclass(frozen=True, kw_only=True)
class MeshSettings(RunSettings):
    """Settings of the method "mesh".

    Attributes
    ----------
    sky_scale : int or str
        Scale of the sky in pixels, "auto" or "none".
    """

    sky_scale: int | str = sky_scale_option()  # type: ignore[assignment]


def iterate(
    image: Image, settings: MeshSettings
) -> Generator[Progress, None, Separation]:
    """Take a mesh sky off an image; see `Method.iterate`."""
    flags = working_flags(image, settings.mask_grow)
    scale = yield from scale_pass(image)
    sky = yield from sky_pass(
        image.data, flags, scale=scale, setting=settings.sky_scale, denoised=False
    )
    part = finite_only(sky.mesh, image)
    return Separation(
        image=image,
        parts={"sky": part},
        flags=flags,
        scale=scale,
        provenance=Provenance(
            version=package_version(),
            method="mesh",
            sky=sky.description,
            seed=settings.seed,
            gain=image.gain,
            settings=dataclasses.asdict(settings),
        ),
        photometric=difference(image.data, part, image.shape),
        extras={"rms": scale.sigma},
        notices=(*image.notices, *scale.notices, *sky.notices),
    )


def find_segments(
    separation: Separation, settings: FindSettings
) -> "tuple[QTable, NDArray[np.int32]]":
    """Search with the matched filter; see `Method.find_segments`."""
    from bgrem_core.find import find_with_segments

    return find_with_segments(separation, settings)


def find(separation: Separation, settings: FindSettings) -> "QTable":
    """Search with the matched filter; see `Method.find`."""
    return find_segments(separation, settings)[0]


MESH = Method(
    name="mesh",
    label="Mesh sky (classical)",
    settings=MeshSettings,
    panels=("Original", "Cleaned", "Residual"),
    iterate=iterate,
    find=find,
    find_segments=find_segments,
    inspect_rows=no_rows,
    parts=("sky",),
)
