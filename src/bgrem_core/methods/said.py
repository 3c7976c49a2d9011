"""What a network says beside the noise: how far it is off, artefacts, centres."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bgrem_core.image import MaskBit
from bgrem_core.kept import Scratch
from bgrem_core.planes import LazyPlane, Plane, allocate, bands
from bgrem_core.search import CENTRE

if TYPE_CHECKING:
    from bgrem_core.model_card import ModelCard
    from bgrem_core.tiles import Tile

__all__ = ["HEADS", "Said"]

HEADS = ("q68", "artefact", CENTRE)
"""Answers of a network, beside the noise, that can be kept."""


class Said:
    """Planes of one image, filled tile by tile; those that the card calibrates.

    Parameters
    ----------
    shape : tuple of int
        (ny, nx) of the image.
    card : ModelCard
        What is not in its calibration is not shown.
    kept : Scratch, optional
        Where the planes live.
    heads : sequence of str, optional
        Which of `HEADS` are wanted.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        card: "ModelCard",
        kept: Scratch | None = None,
        *,
        heads: Sequence[str] = HEADS,
    ) -> None:
        self.shape, self.card, self.heads = shape, card, tuple(heads)
        kept = kept or Scratch()

        def plane(
            head: str, name: str, dtype: DTypeLike = np.float32
        ) -> NDArray[Any] | None:
            known = head in heads and name in card.calibration
            return kept.allocate(name, shape, dtype) if known else None

        self.width: NDArray[np.float32] | None = plane("q68", "uncertainty")
        self.hits: NDArray[np.uint8] | None = plane("artefact", "artefact", np.uint8)
        self.centre: NDArray[np.float32] | None = plane(CENTRE, CENTRE)

    def put(
        self,
        tile: "Tile",
        answers: Mapping[str, NDArray[np.float32]],
        *,
        spread: NDArray[np.float32],
        sigma: NDArray[np.float32],
        unseen: NDArray[np.bool_],
    ) -> None:
        """Keep what is said of a tile.

        Parameters
        ----------
        tile : Tile
            Where.
        answers : mapping of ndarray
            As from `Model.appraise`, over what the tile reads.
        spread : ndarray
            Noise of that in units of the sky's; broadcasts.
        sigma, unseen : ndarray
            Noise of the sky, and masked pixels, over what the tile keeps.
        """
        if self.width is not None:
            width = self.card.half_width(tile.crop(answers["q68"]))
            if spread.size > 1:
                width *= tile.crop(spread)
            width *= sigma
            if unseen.any():
                width[unseen] = np.nan
            self.width[tile.keep] = width
        if self.hits is not None:
            hit = tile.crop(answers["artefact"]) >= self.card.calibration["artefact"]
            hit &= ~unseen
            self.hits[tile.keep] = np.uint8(MaskBit.ARTEFACT) * hit
        if self.centre is not None:
            self.centre[tile.keep] = tile.crop(answers[CENTRE])

    def hold(self, planes: Mapping[str, NDArray[Any]]) -> None:
        """Take planes that were filled elsewhere, by the names of `planes`."""
        for name, plane in planes.items():
            setattr(self, name, plane)

    def planes(self) -> dict[str, NDArray[Any]]:
        """Return what is filled, by name."""
        known = {"width": self.width, "hits": self.hits, "centre": self.centre}
        return {name: plane for name, plane in known.items() if plane is not None}

    def flagged(self, flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return flags with those of artefacts; to be called after the last tile."""
        if self.hits is None:
            return flags
        # Not in place: the hits of a tile are as they were when it was finished.
        both = allocate(self.shape, np.uint8)
        for rows in bands(self.shape):
            both[rows] = self.hits[rows] | flags[rows]
        return both

    def uncertainty(self, sigma: Plane, *, strength: float) -> Plane | None:
        """Return the deviation of what is shown: noise that was left in adds to it."""
        width, left = self.width, 1 - strength
        if width is None or not left:
            return width
        return LazyPlane(
            self.shape, lambda r, c: np.hypot(width[r, c], left * sigma[r, c])
        )

    def extras(self) -> dict[str, Plane]:
        """Return maps outside the sum."""
        return {} if self.centre is None else {CENTRE: self.centre}
