"""Product: results grouped by the HDU that they replace."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bgrem_core.image import Origin
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.pixels import rows_at_once
from bgrem_core.planes import Plane
from bgrem_core.separation import Separation
from bgrem_core.stack import StackSeparation

Result = Separation | StackSeparation
Pick = Callable[[Separation], Plane | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """All planes of one image.

    Attributes
    ----------
    planes : tuple of Separation
        In the order in which they are stored.
    shape : tuple of int
        Shape of the array to be written.
    """

    planes: tuple[Separation, ...]
    shape: tuple[int, ...]

    @property
    def first(self) -> Separation:
        """The first plane, which stands for all in what they share."""
        return self.planes[0]

    @property
    def origin(self) -> Origin:
        """Where the image came from."""
        return self.first.image.origin

    @property
    def size(self) -> int:
        """Bytes of the array as float32."""
        return 4 * int(np.prod(self.shape))

    def bands(self, pick: Pick, dtype: np.dtype[Any]) -> Iterator[AnyArray]:
        """Yield a plane of each separation, by bands of rows, in stored order."""
        for separation in self.planes:
            plane = pick(separation)
            if plane is None:
                plane = separation.part("")
            ny, nx = separation.shape
            step = rows_at_once(nx)
            for start in range(0, ny, step):
                band = plane[start : min(start + step, ny), 0:nx]
                yield np.asarray(band, dtype)


def products(results: Sequence[Result]) -> list[Product]:
    """Group results for writing: one product for each image."""
    return [_product(result) for result in results]


def _product(result: Result) -> Product:
    if isinstance(result, StackSeparation):
        shape = result.planes[0].image.origin.shape
        flat = result.planes[0].shape
        if _is_channel_last(shape, flat, len(result)) or int(np.prod(shape)) != len(
            result
        ) * int(np.prod(flat)):
            shape = (len(result), *flat)
        return Product(planes=result.planes, shape=shape)
    origin = result.image.origin
    leading = len(origin.shape) - 2
    if leading > 0 and not _is_channel_last(origin.shape, result.shape, 0):
        return Product(planes=(result,), shape=(1,) * leading + result.shape)
    return Product(planes=(result,), shape=result.shape)


def _is_channel_last(shape: tuple[int, ...], flat: tuple[int, int], count: int) -> bool:
    return len(shape) > 2 and shape[:2] == flat and (not count or shape[-1] == count)
