"""Looking: what the look panel does to the viewer."""

from typing import TYPE_CHECKING, Any

from bgrem_core.methods import get_method
from bgrem_core.stack import planes_of
from bgrem_core.strength import slider_of
from bgrem_core.words import method_words, words_of
from napari_bgrem._qt.look import LookPanel
from napari_bgrem._qt.strength import Strength
from napari_bgrem.called import layer_words
from napari_bgrem.compared import comparison_of, newest_groups
from napari_bgrem.stretch import apply_stretch, set_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    import napari
    from bgrem_core.strength import Slider
    from bgrem_core.words import Words
    from napari_bgrem.desk import Desk

__all__ = ["Looking"]


class Looking:
    """Compares, stretches and blends the layers of the newest result.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are looked at.
    desk : Desk
        Knows what is worked on.
    attempt : callable
        ``attempt(action)`` calls an action, and tells what goes wrong.
    soon : callable
        As of `Comparison`.
    """

    def __init__(
        self,
        viewer: "napari.Viewer",
        desk: "Desk",
        attempt: "Callable[[Callable[[], Any]], None]",
        soon: "Callable[[Callable[[], None]], None]",
    ) -> None:
        self._viewer, self._desk, self._try = viewer, desk, attempt
        self.panel = panel = LookPanel()
        self.strength = Strength(panel)
        self.comparison = comparison_of(viewer)
        self.comparison.soon = soon
        panel.compare_asked.connect(self.compare)
        panel.blink_asked.connect(self.blink)
        panel.strength_moved.connect(self.strength.show)
        panel.strength_settled.connect(self.strength.settle)
        self.strength.settled.connect(lambda: desk.blended.emit())
        panel.stretch_chosen.connect(self._stretch)
        panel.limits_chosen.connect(self._limit)

    def groups(self) -> "list[list[Layer]]":
        """Return what is compared, or would be: one group of layers for each cell."""
        return newest_groups(self._viewer, self._desk.source)

    def compare(self, _: object = None) -> None:
        """Show original, cleaned and residual side by side, or leave that."""
        if self.comparison.active:
            self.comparison.leave()
        else:
            self.comparison.enter(self.groups())

    def blink(self, _: object = None) -> None:
        """Show original and cleaned in turn."""
        self.comparison.blink(self.groups())

    def stretch(self, layer: "Layer") -> None:
        """Stretch a new layer as is chosen."""
        apply_stretch([layer], self.panel.stretch.currentText())

    def refresh(self, *, comparable: bool, method: str) -> None:
        """Show what is possible now, in the words of a method."""
        panel = self.panel
        panel.set_ready(result=comparable, strength=self.strength.possible)
        panel.show_state(self.comparison.state)
        panel.set_words(self.words(method), self._slider(method))

    def words(self, method: str) -> "Words":
        """Return the words for what is compared, else those of a method."""
        if self._desk.result is not None:
            return words_of(planes_of(self._desk.result)[0])
        shown = [layer for group in self.groups()[1:] for layer in group]
        return layer_words(shown) if shown else method_words(method)

    def _slider(self, method: str) -> "Slider":
        """Return the slider of the result that it moves, else that of a method."""
        blend = self.strength.blend
        if blend is None:
            return get_method(method).slider
        return slider_of(planes_of(blend.shown)[0])

    def _shown(self) -> "list[Any]":
        groups = [group[0] for group in self.groups() if group]
        return groups or [x for x in (self._desk.source,) if x is not None]

    def _stretch(self, name: str) -> None:
        self._try(lambda: apply_stretch(self._shown()[:2], name))

    def _limit(self, how: str) -> None:
        layers = self._shown()
        if layers and how:
            first = layers[1] if len(layers) > 1 else layers[0]
            rest = [x for x in layers[:2] if x is not first]
            self._try(lambda: set_limits(first, how, shared=rest))
