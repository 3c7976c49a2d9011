"""Connect: signals of others that a widget hears as long as it lives."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qtpy.QtWidgets import QWidget

__all__ = ["connect_for_life"]


def connect_for_life(
    widget: "QWidget", pairs: "Iterable[tuple[Any, Callable[..., Any]]]"
) -> None:
    """Connect signals of a viewer or a desk until Qt takes a widget away.

    Parameters
    ----------
    widget : QWidget
        Whose methods are called; nobody is left to be told when it is gone.
    pairs : iterable of (signal, slot)
        Signals of psygnal or napari.
    """
    links = list(pairs)
    for signal, slot in links:
        signal.connect(slot)

    def unlink() -> None:
        for signal, slot in links:
            # The desk may have told all to go already.
            with suppress(ValueError):
                signal.disconnect(slot)

    widget.destroyed.connect(unlink)
