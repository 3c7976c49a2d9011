"""Link: two images that share limits, gamma and colours, whatever lies between them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_bgrem.cells import has_bar
from napari_bgrem.stretch import level_between

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["Link"]

_LINKED = ("contrast_limits", "gamma", "colormap")


class Link:
    """Limits, gamma and colours of two images, the level between them taken off.

    napari's own links would give both the same limits, sky or not.
    """

    def __init__(self, upper: "Image", lower: "Image") -> None:
        self._upper, self._lower = upper, lower
        self._shift = 0.0
        self._busy = False
        self._was: dict[str, Any] = {}
        self._made: dict[str, Any] = {}
        # Images in colour have no limits that count.
        if not all(has_bar(x) for x in (upper, lower)):
            return
        self._shift = level_between(upper, lower)
        self._was = {name: getattr(upper, name) for name in _LINKED}
        self._follow_lower()
        self._made = {name: getattr(upper, name) for name in _LINKED}
        for name in _LINKED:
            getattr(upper.events, name).connect(self._follow_upper)
            getattr(lower.events, name).connect(self._follow_lower)

    def undo(self) -> None:
        """Unlink; what the user did not change meanwhile becomes what it was."""
        if not self._was:
            return
        for name in _LINKED:
            getattr(self._upper.events, name).disconnect(self._follow_upper)
            getattr(self._lower.events, name).disconnect(self._follow_lower)
            if getattr(self._upper, name) == self._made[name]:
                setattr(self._upper, name, self._was[name])

    def _follow_upper(self) -> None:
        self._copy(self._upper, self._lower, -self._shift)

    def _follow_lower(self) -> None:
        self._copy(self._lower, self._upper, self._shift)

    def _copy(self, source: "Image", target: "Image", shift: float) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            limits = [limit + shift for limit in source.contrast_limits]
            if not np.allclose(target.contrast_limits, limits, rtol=1e-6, atol=0):
                target.contrast_limits = limits
            for name in ("gamma", "colormap"):
                if getattr(target, name) != getattr(source, name):
                    setattr(target, name, getattr(source, name))
        finally:
            self._busy = False
