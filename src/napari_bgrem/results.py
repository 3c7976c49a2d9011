"""Results: those that are in a viewer, and the one that is looked at."""

from typing import TYPE_CHECKING

from bgrem_core.methods import METHODS
from bgrem_core.words import words_of
from napari_bgrem.called import role_name
from napari_bgrem.collected import Collected, key_of, newest_result
from napari_bgrem.mark import mark_of, marked

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_bgrem.mark import Mark

__all__ = ["Key", "Results"]

Key = tuple[int, str]
"""What a result is known by: its image and its run."""


class Results:
    """Remembers what is known of the sources of each result in a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers carry the results.

    Attributes
    ----------
    key : tuple or None
        Of the result that is looked at, as `key_of` gives it.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self.key: Key | None = None
        self._viewer = viewer
        self._known: dict[Key, Collected] = {}
        self._heard: set[Key] = set()

    @property
    def collected(self) -> Collected | None:
        """The result that is looked at, and its sources."""
        return self.known(self.key)

    def known(self, key: "Key | None") -> Collected | None:
        """Return what is known of a result, None if it is gone."""
        return None if key is None else self._known.get(key)

    def use(self, mark: "Mark") -> bool:
        """Look at the result of a mark.

        Returns
        -------
        bool
            Whether another one was looked at before.
        """
        if mark.separation is None:
            return False
        key = key_of(mark)
        now = self._known.setdefault(key, Collected(separation=mark.separation))
        # The strength may have changed since.
        now.separation = mark.separation
        changed, self.key = key != self.key, key
        return changed

    def now(self) -> Collected | None:
        """Return what is looked at as it is shown: its strength may have changed."""
        mark = mark_of(self.layer("cleaned"))
        if mark is not None:
            self.use(mark)
        return self.collected

    def refresh(self) -> "Mark | None":
        """Look again which results there are; forget those that are gone.

        Returns
        -------
        Mark or None
            That of the newest one, where it should be looked at: it has just come, or
            what was looked at is gone.
        """
        here = {
            key_of(mark)
            for layer in self._viewer.layers
            if (mark := mark_of(layer)) and mark.separation is not None
        }
        newest = newest_result(self._viewer)
        fresh = newest is not None and key_of(newest) not in self._heard
        gone = self.key not in here
        self._heard = here
        self._known = {k: v for k, v in self._known.items() if k in here}
        if gone:
            self.key = None
        return newest if fresh or gone else None

    def layer(self, role: str) -> "Layer | None":
        """Return the layer of a role of the result that is looked at."""
        return next(
            (
                layer
                for layer in reversed(marked(self._viewer, role))
                if (mark := mark_of(layer)) and key_of(mark) == self.key
            ),
            None,
        )

    def title(self) -> str:
        """Return what the result is called, its image and how it was made, or ""."""
        now = self.collected
        if now is None:
            return ""
        made = now.separation.provenance
        method = METHODS.get(made.method)
        how = method.label if method else made.method
        cleaned = self.layer("cleaned")
        name = now.separation.image.name
        if cleaned is not None:
            word = role_name("cleaned", words_of(now.separation))
            name = str(cleaned.name).replace(f": {word}", "", 1)
        return f"{name}   ·   {how}" + (f", {made.model}" if made.model else "")
