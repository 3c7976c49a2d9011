"""Keys: shortcuts of the viewer, there while a dock is shown."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

__all__ = ["Keys"]


class Keys:
    """Shortcuts that can be bound and given back.

    Parameters
    ----------
    viewer : napari.Viewer
        Where they work; what another plugin bound to the same keys comes back later.
    actions : mapping of str to callable
        By key, in napari's words, such as "Shift-B".
    """

    def __init__(
        self, viewer: "napari.Viewer", actions: Mapping[str, Callable[[], Any]]
    ) -> None:
        self._viewer, self._actions = viewer, dict(actions)
        self._before: dict[Any, Any] = {}
        self._bound = False

    def bind(self) -> None:
        """Bind the keys."""
        if self._bound:
            return
        self._before = dict(self._viewer.keymap)
        for key, action in self._actions.items():
            # napari hands its viewer over; what happens does not depend on it.
            self._viewer.bind_key(key, lambda _, act=action: act(), overwrite=True)
        self._bound = True

    def unbind(self) -> None:
        """Give the keys back."""
        if not self._bound:
            return
        for key in self._actions:
            self._viewer.bind_key(key, None, overwrite=True)
        for key, function in self._before.items():
            self._viewer.keymap.setdefault(key, function)
        self._bound = False
