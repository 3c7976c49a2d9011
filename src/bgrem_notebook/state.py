"""State: what a desk has: an image, a result, and what is known of its sources."""

import dataclasses
from typing import TYPE_CHECKING

from bgrem_core import samples
from bgrem_core.collected import Collected
from bgrem_core.errors import UsageError
from bgrem_core.image import Image, Stack
from bgrem_core.session import Session
from bgrem_core.stack import StackSeparation, planes_of
from bgrem_core.strength import at_strength, has_strength
from bgrem_notebook.shown import Shown
from bgrem_notebook.sky_grid import sky_grid

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.api import Result
    from bgrem_core.inspection import Inspection
    from bgrem_core.normalize import Scale
    from bgrem_core.separation import Separation

__all__ = ["State", "truth_of"]


class State:
    """What a desk has.

    Attributes
    ----------
    session : Session
        The run; its settings are those of the next one.
    shown : Shown
        What the view asks pixels of.
    name : str
        Of the image.
    index : int
        Which plane of a stack is shown.
    strength : float
        Share of the noise that is taken away, as it is shown.
    scale : Scale or None
        Noise of the frame, if it was measured without a run.
    seen : tuple of Inspection and int, or None
        The source that was last inspected, and its row.
    """

    def __init__(self) -> None:
        self.session = Session()
        self.shown = Shown()
        self.name, self.index = "", 0
        self.strength = 1.0
        self.scale: Scale | None = None
        self.seen: tuple[Inspection, int | None] | None = None
        self._collected: dict[int, Collected] = {}
        self._grid: tuple[Image, NDArray[np.float64] | None] | None = None

    @property
    def image(self) -> Image | None:
        """The plane that is shown; None until it was read."""
        opened = self.session.image
        return opened.planes[self.index] if isinstance(opened, Stack) else opened

    @property
    def result(self) -> "Result | None":
        """The result at the strength that is shown."""
        whole = self.session.result
        if isinstance(whole, StackSeparation):
            planes = tuple(self._at_strength(plane) for plane in whole.planes)
            return dataclasses.replace(whole, planes=planes)
        return None if whole is None else self._at_strength(whole)

    @property
    def separation(self) -> "Separation | None":
        """The result of the plane that is shown, at that strength."""
        whole = self.session.result
        return (
            None if whole is None else self._at_strength(planes_of(whole)[self.index])
        )

    @property
    def beside(self) -> "Separation | None":
        """What stands beside the image, at full strength: a result or a preview."""
        if self.shown.kind == "preview":
            return self.session.previewed
        whole = self.session.result if self.shown.kind == "run" else None
        return None if whole is None else planes_of(whole)[self.index]

    @property
    def collected(self) -> Collected | None:
        """Sources of the plane that is shown."""
        separation = self.separation
        if separation is None:
            return None
        now = self._collected.setdefault(self.index, Collected(separation=separation))
        now.separation = separation
        return now

    @property
    def inspected(self) -> "Inspection | None":
        """What was last inspected."""
        return None if self.seen is None else self.seen[0]

    def sky_grid(self) -> "NDArray[np.float64] | None":
        """Return where pixels lie on the sky; None without a WCS."""
        image = self.image
        if image is None:
            return None
        if self._grid is None or self._grid[0] is not image:
            self._grid = image, sky_grid(image.wcs, image.shape)
        return self._grid[1]

    def need(self) -> "Separation":
        """Return the result that is shown.

        Raises
        ------
        UsageError
            There is none.
        """
        separation = self.separation
        if separation is None:
            raise UsageError("there is no result yet", hint="press Run first")
        return separation

    def forget(self) -> None:
        """Forget the sources: there is another result."""
        self._collected.clear()
        self.seen = None

    def _at_strength(self, separation: "Separation") -> "Separation":
        if self.strength == 1 or not has_strength(separation):
            return separation
        return at_strength(separation, self.strength)


def truth_of(image: Image | None) -> "QTable | None":
    """Return what is known to be in an image: of a simulated sample."""
    path = None if image is None else image.origin.path
    for name in samples.names() if path else ():
        if samples.path(name) == path:
            return samples.truth(name)
    return None
