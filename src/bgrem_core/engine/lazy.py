"""Lazy separation of dask arrays: the scale at once, all else when it is computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.engine.blocks import around, tile_blocks
from bgrem_core.engine.extra import need
from bgrem_core.engine.labelled import Labelled, filtered, labelled
from bgrem_core.engine.measured import flags_of
from bgrem_core.engine.models import model_of
from bgrem_core.engine.prepared import Prepared, prepare
from bgrem_core.engine.skies import (
    Blocks,
    finished,
    names_of,
    provenance_of,
    sky_of,
)
from bgrem_core.engine.windows import Mosaic
from bgrem_core.image import Image
from bgrem_core.methods.bgrem import BGRemSettings, said_by
from bgrem_core.normalize import Scale
from bgrem_core.photometry import DEFAULT_FWHM
from bgrem_core.separation import Separation
from bgrem_core.sky import Sky
from bgrem_core.tiles import Tile

if TYPE_CHECKING:
    from bgrem_core.planes import Plane

Array = Any  # dask.array.Array
Delayed = Any  # dask.delayed.Delayed
_BYTES = frozenset({"flags", "hits"})


@dataclass(frozen=True, kw_only=True, eq=False)
class LazySeparation:
    """An image and what will be taken away from it, as dask arrays.

    The sky is measured on the whole denoised frame: nothing that needs it is known
    before every tile is done. It is for pipelines that compute once, not for viewers
    that ask for one block after the other.

    Attributes
    ----------
    image : dask array
        Pixels as float32, shape (ny, nx), in chunks of what a tile keeps, like all
        arrays here.
    cleaned : dask array
        Image minus the parts, float32, in the image's unit.
    parts : mapping of str to dask array
        What is taken away, by name, in order; NaN where the image is not finite.
    flags : dask array
        `MaskBit` of each pixel, uint8.
    photometric : dask array
        The plane on which fluxes are measured.
    uncertainty : dask array or None
        68 % deviation of `cleaned`.
    extras : mapping of str to dask array
        Maps outside the sum, such as "rms".
    scale : Scale
        Noise and offset, measured already.
    provenance : dask.delayed.Delayed
        What made this result, when it is computed.
    """

    image: Array
    cleaned: Array
    parts: Mapping[str, Array]
    flags: Array
    photometric: Array
    uncertainty: Array | None
    extras: Mapping[str, Array]
    scale: Scale
    provenance: Delayed
    _prepared: Prepared
    _whole: Delayed

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, (ny, nx)."""
        return self._prepared.grid.shape

    @property
    def residual(self) -> Array:
        """The sum of the parts."""
        return sum(self.parts.values())

    @property
    def fwhm(self) -> float:
        """FWHM of a point source in pixels: as given, as measured, or as a guess."""
        given = self._prepared.door.fwhm
        known = isfinite(self.scale.fwhm)
        return given or (self.scale.fwhm if known else DEFAULT_FWHM)

    @cached_property
    def significance(self) -> Array:
        """S/N of a point source at each pixel of `photometric`, by a matched filter.

        With a Gaussian of this `fwhm`; NaN where masked. Needs dask-image.
        """
        return filtered(
            self.photometric,
            self.extras["rms"],
            self.flags,
            fwhm=self.fwhm,
            rho_xy=self.scale.rho_xy,
        )

    def labels(self, threshold: float = 5.0) -> Labelled:
        """Label the groups of pixels whose significance reaches a threshold.

        This computes: significance and `photometric` are then held in chunks, eight
        bytes a pixel. No catalogue: nothing is parted, no local sky is taken off, no
        light beyond the pixels is added.

        Parameters
        ----------
        threshold : float, optional
            Sigma of the filtered noise.

        Returns
        -------
        Labelled
            Its ``labels`` are a dask array, ``measure()`` gives a table.

        Raises
        ------
        UsageError
            The threshold is not above 0.
        """
        return labelled(self.significance, self.photometric, threshold)

    def compute(self) -> Separation:
        """Compute everything, into memory.

        Returns
        -------
        Separation
            As `bgrem_core.clean` gives for an array in memory.
        """
        result: Separation = self._whole.compute()
        return result


def lazy_clean(
    image: Array, *, method: str, settings: dict[str, Any]
) -> LazySeparation:
    """Separate a dask array; see `bgrem_core.clean`.

    Parameters
    ----------
    image : dask array
        Real numbers of shape (ny, nx), in any chunks.
    method : str
        "bgrem" or "mesh".
    settings : dict
        Fields of the method's settings, and gain, fwhm, zeropoint and saturation.

    Returns
    -------
    LazySeparation
        Its scale is measured, nothing else is computed yet.

    Raises
    ------
    UsageError, ImageError, ModelError
        As `prepare`.
    """
    image = image.astype(np.float32)
    prepared = prepare(image, method, settings)
    return _Graph(image, prepared).separation()


class _Graph:
    """The tasks of one frame."""

    def __init__(self, image: Array, prepared: Prepared) -> None:
        self.delayed = need("dask").delayed
        self.da = need("dask.array")
        self.prepared = prepared
        # One node of the graph, not a copy in each task.
        self.told = self.delayed(prepared, traverse=False)
        counts = prepared.grid.counts
        self.tiles = [
            [prepared.grid.tile(j, i) for i in range(counts[1])]
            for j in range(counts[0])
        ]
        work = self.delayed(_tile, pure=False)
        self.said = [
            [work(self.told, t, image[around(prepared, t)]) for t in row]
            for row in self.tiles
        ]
        self.sky = self.delayed(_sky, pure=False)(self.told, self.said)
        last = self.delayed(_finish, pure=False)
        self.done = [
            [last(self.told, t, said, self.sky) for t, said in zip(*rows, strict=True)]
            for rows in zip(self.tiles, self.said, strict=True)
        ]

    def separation(self) -> LazySeparation:
        """Return the arrays."""
        prepared = self.prepared
        at_once = partial(self._array, self.said)
        later = partial(self._array, self.done)
        known = known_of(prepared)
        extras = {"rms": self._rms()}
        if "centre" in known:
            extras["centre"] = at_once("centre")
        return LazySeparation(
            image=at_once("data"),
            cleaned=later("cleaned"),
            parts={name: later(name) for name in names_of(prepared)},
            flags=at_once("flags"),
            photometric=later("photometric"),
            uncertainty=later("uncertainty") if "width" in known else None,
            extras=extras,
            scale=prepared.scale,
            provenance=self.delayed(provenance_of)(self.told, self.sky),
            _prepared=prepared,
            _whole=self.delayed(_whole)(self.told, self.said, self.done, self.sky),
        )

    def _array(self, blocks: list[list[Delayed]], name: str) -> Array:
        dtype = np.uint8 if name in _BYTES else np.float32
        return self.da.block(
            [
                [
                    self.da.from_delayed(block[name], _shape(tile), dtype)
                    for block, tile in zip(*rows, strict=True)
                ]
                for rows in zip(blocks, self.tiles, strict=True)
            ]
        )

    def _rms(self) -> Array:
        read = self.delayed(_sigma, pure=False)
        blocks = [[{"rms": read(self.told, t)} for t in row] for row in self.tiles]
        return self._array(blocks, "rms")


def _shape(tile: Tile) -> tuple[int, int]:
    y, x = (k.stop - k.start for k in tile.keep)
    return y, x


def known_of(prepared: Prepared) -> set[str]:
    """Return what the model says beside the noise."""
    if not isinstance(prepared.settings, BGRemSettings):
        return set()
    card = model_of(prepared.settings, prepared.sha256).card
    return set(said_by(card, (1, 1), prepared.settings).planes())


def _tile(prepared: Prepared, tile: Tile, pixels: NDArray[np.float32]) -> Blocks:
    return tile_blocks(prepared, tile, pixels, None)


def _sky(prepared: Prepared, said: list[list[Blocks]]) -> Sky:
    def plane(name: str) -> Mosaic:
        return Mosaic([[block[name] for block in row] for row in said])

    taken = plane("taken") if prepared.method == "bgrem" else None
    return sky_of(prepared, plane("data"), plane("flags"), taken)


def _finish(prepared: Prepared, tile: Tile, said: Blocks, sky: Sky) -> Blocks:
    return finished(prepared, tile.keep, said["data"], said, sky)


def _sigma(prepared: Prepared, tile: Tile) -> NDArray[np.float32]:
    return np.asarray(prepared.scale.sigma[tile.keep], np.float32)


def _whole(
    prepared: Prepared, said: list[list[Blocks]], done: list[list[Blocks]], sky: Sky
) -> Separation:
    """Put the blocks of a frame together in memory.

    Not by dask.compute, which mixes up arrays that are asked for among other things.
    """

    def plane(blocks: list[list[Blocks]], name: str) -> NDArray[Any]:
        mosaic = Mosaic([[block[name] for block in row] for row in blocks])
        ny, nx = mosaic.shape
        return mosaic[slice(ny), slice(nx)]

    data = plane(said, "data")
    own = flags_of(data, prepared.door.saturation)
    extras: dict[str, Plane] = {"rms": prepared.scale.sigma}
    if "centre" in said[0][0]:
        extras["centre"] = plane(said, "centre")
    known = "uncertainty" in done[0][0]
    return Separation(
        image=Image(data=data, flags=own, **prepared.image),
        parts={name: plane(done, name) for name in names_of(prepared)},
        flags=plane(said, "flags"),
        scale=prepared.scale,
        provenance=provenance_of(prepared, sky),
        photometric=plane(done, "photometric"),
        uncertainty=plane(done, "uncertainty") if known else None,
        extras=extras,
        notices=(*prepared.scale.notices, *sky.notices, *prepared.notices),
    )
