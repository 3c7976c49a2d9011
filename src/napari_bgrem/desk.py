"""Desk: one viewer at work on one image: runs, and the layers that come of them.

The run's state is the core's `Session`; here it is only turned into layers. Nothing in
the viewer is changed but by layers that are added, and by those that were added here.
"""

import dataclasses
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from bgrem_core.errors import BGRemError, OutOfMemory, UsageError
from bgrem_core.image import Image, Stack
from bgrem_core.normalize import Scale
from bgrem_core.pace import Pace
from bgrem_core.separation import Separation
from bgrem_core.session import Session
from bgrem_core.settings import RunSettings
from bgrem_core.stack import planes_of
from napari_bgrem.image_of import image_of, plane_of
from napari_bgrem.in_view import block_in_view
from napari_bgrem.layers import result_layers
from napari_bgrem.live import Live
from napari_bgrem.mark import KEY, Mark, mark_of, marked
from napari_bgrem.placement import placement_like

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.api import Result
    from bgrem_core.planes import Block
    from bgrem_core.progress import Progress
    from bgrem_core.settings import FindSettings

__all__ = ["Desk", "close_desk", "desk_of"]

Kind = Literal["run", "preview", "estimate", "find"]
Later = Callable[[Callable[[], None]], None]

BUSY = "A run is at work"
_DESKS: "weakref.WeakKeyDictionary[ViewerModel, Desk]" = weakref.WeakKeyDictionary()


@dataclasses.dataclass(kw_only=True, eq=False)
class _Job:
    """What is at work, and where its layers will lie."""

    kind: Kind
    name: str
    number: str
    source: Any  # the layer, None for a search
    image: "Image | Stack"
    method: str = ""
    settings: "RunSettings" = dataclasses.field(default_factory=RunSettings)
    live: Live | None = None
    block: "Block | None" = None


class Desk:
    """One viewer at work on one image.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Gets the layers.
    later : callable, optional
        ``later(f)`` calls f on the thread of the viewer; by default at once.
    soon : callable, optional
        ``soon(f)`` does so after the window was served; by default as `later`.

    Attributes
    ----------
    session : Session
        The run; its settings are those of the next one.
    source : napari.layers.Layer or None
        The layer that is worked on.
    result : Separation, StackSeparation or None
        Of the last finished run.
    busy : bool
        Something is at work.
    """

    changed = Signal()
    progressed = Signal(Pace)
    scale_changed = Signal(Scale)
    shown = Signal(str)
    found = Signal(object)
    previewed = Signal(object)
    failed = Signal(BGRemError)

    def __init__(
        self,
        viewer: "ViewerModel",
        *,
        later: Later | None = None,
        soon: Later | None = None,
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._later: Later = later or (lambda f: f())
        self._soon: Later = soon or self._later
        self.session = session = Session(acknowledge=True)
        self.source: Layer | None = None
        self.result: Result | None = None
        self._job: _Job | None = None
        self._made_by: tuple[str, RunSettings, Image | Stack] | None = None
        self._number = 0
        self.pace = Pace()
        self._opened: (
            tuple[weakref.ref[Layer], object, Image | Stack, tuple[int, ...]] | None
        ) = None
        session.progressed.connect(self._on_progress)
        session.state_changed.connect(self._on_state)
        session.result_changed.connect(self._on_result)
        session.preview_changed.connect(self._on_preview)
        session.scale_changed.connect(self._on_scale)
        session.sources_changed.connect(self._on_sources)
        session.failed.connect(self._on_failed)

    @property
    def busy(self) -> bool:
        """Whether something is at work."""
        return self._job is not None

    @property
    def job(self) -> str:
        """What is at work: "run", "preview", "estimate", "find" or ""."""
        return self._job.kind if self._job else ""

    @property
    def viewer(self) -> "ViewerModel":
        """The viewer.

        Raises
        ------
        UsageError
            It was closed.
        """
        viewer = self._viewer()
        if viewer is None:
            raise UsageError("the viewer was closed", hint="open a new one")
        return viewer

    def start(self, settings: "RunSettings", method: str) -> None:
        """Run a method over the source; its layers come when it is done.

        Raises
        ------
        UsageError, ImageError
            There is no source or none that can be used, or a run is at work.
        """
        job = self._begin("run", settings, method)
        shape = _first(job.image).shape
        job.live = None if isinstance(job.image, Stack) else Live(shape)
        self._work(job, self.session.start)

    def preview(self, settings: "RunSettings", method: str) -> None:
        """Run a method over what is in view.

        Raises
        ------
        UsageError, ImageError
            As for `start`; or nothing of the source is in view.
        """
        job = self._begin("preview", settings, method)
        job.block = block_in_view(job.source)
        if job.block is None:
            raise UsageError(
                f"nothing of {job.name} is in view",
                hint="press Home to see all of it, then try again",
            )
        self._work(job, partial(self.session.preview, job.block))

    def estimate(self, settings: "RunSettings", method: str) -> None:
        """Measure the noise of the source and tell it by `scale_changed`."""
        job = self._begin("estimate", settings, method)
        self._work(job, self.session.estimate)

    def find(self, settings: "FindSettings") -> None:
        """Search the last result for sources and tell them by `found`.

        Raises
        ------
        UsageError
            There is no result, or a run is at work.
        """
        if self.busy:
            raise UsageError(BUSY.lower(), hint="wait for it or cancel it first")
        if self.result is None:
            raise UsageError("there is no result yet", hint="press Run first")
        self.session.find_settings = settings
        image = planes_of(self.result)[0].image
        job = _Job(
            kind="find", name=image.name, number=str(self._number), source=None,
            image=image,
        )  # fmt: skip
        self._work(job, self.session.find)

    def cancel(self) -> None:
        """Stop what is at work after its current tile; what was done stays."""
        self.session.cancel()

    def close(self) -> None:
        """Stop, and tell nobody any more."""
        for signal in (
            self.changed, self.progressed, self.scale_changed, self.shown, self.found,
            self.failed, self.previewed,
        ):  # fmt: skip
            signal.disconnect()
        # Whoever still holds this desk does its own searches from now on.
        self.result = self._made_by = None
        self.session.cancel()

    def look(self) -> None:
        """Tell the run what is in view, so that its tiles come first."""
        if self._job is not None and self._job.kind == "run":
            self.session.view = block_in_view(self._job.source)

    def as_python(self, strength: float = 1.0) -> str:
        """Return a script that gives the last result, at a strength.

        Raises
        ------
        UsageError
            There is no result.
        """
        if self._made_by is None:
            raise UsageError("there is no result yet", hint="press Run first")
        session = self.session
        before = session.method, session.settings, session.image
        method, settings, image = self._made_by
        if hasattr(settings, "strength"):
            settings = dataclasses.replace(settings, strength=strength)  # type: ignore[call-arg]
        session.method, session.settings, session.image = method, settings, image
        try:
            return session.as_python()
        finally:
            session.method, session.settings, session.image = before

    def forget(self) -> None:
        """Forget the last result: its layers were deleted."""
        self.result = self._made_by = None
        self.changed.emit()

    def _begin(self, kind: Kind, settings: "RunSettings", method: str) -> _Job:
        if self.busy:
            raise UsageError(BUSY.lower(), hint="wait for it or cancel it first")
        source = self.source
        if source is None or source not in self.viewer.layers:
            raise UsageError(
                "there is no image to work on",
                hint="open a FITS file or a sample, and choose its layer",
            )
        image = self._open(source)
        session = self.session
        session.method, session.settings, session.image = method, settings, image
        where = self._step(source)
        name = source.name + "".join(f" [{k}]" for k in where)
        return _Job(
            kind=kind, name=name, number="", source=source, image=image,
            method=method, settings=settings,
        )  # fmt: skip

    def _step(self, layer: "Layer") -> tuple[int, ...]:
        """Return which plane of a layer is shown; () for an image or a colour image."""
        if getattr(layer, "rgb", False):
            return ()
        steps = tuple(int(k) for k in self.viewer.dims.current_step)
        return steps[-layer.ndim :][: layer.ndim - 2]

    def _open(self, layer: "Layer") -> "Image | Stack":
        """Return the core's image of a layer, the same one for the same data."""
        known, where = self._opened, self._step(layer)
        same = known is not None and known[0]() is layer and known[3] == where
        if known and same and layer.data is known[1]:
            return known[2]
        image = plane_of(layer, where) if where else image_of(layer)
        self._opened = weakref.ref(layer), layer.data, image, where
        return image

    def _work(self, job: _Job, start: Callable[[], None]) -> None:
        if job.kind == "run":
            self._number += 1
        job.number = job.number or str(self._number)
        self._job = job
        self.look()
        try:
            start()
        except BaseException:
            self._job = None
            raise
        self.changed.emit()

    # What follows is called on the worker's thread and hands on to the viewer's.

    def _on_progress(self, step: "Progress") -> None:
        self._later(partial(self._took, self._job, step))

    def _on_state(self, state: str) -> None:
        if state == "idle":
            self._later(partial(self._stopped, self._job))

    def _on_failed(self, error: BGRemError) -> None:
        self._later(partial(self._fail, self._job, error))

    def _on_scale(self, scale: Scale) -> None:
        self._later(partial(self._measured, self._job, scale))

    def _on_sources(self, sources: object) -> None:
        self._later(partial(self._listed, self._job, sources))

    def _on_result(self, result: "Result") -> None:
        job = self._job
        if job is None:
            return
        made = self._made(job, result)
        if made is not None:
            self._later(partial(self._show, job, result, made))

    def _on_preview(self, result: Separation) -> None:
        job = self._job
        if job is None:
            return
        made = self._made(job, result)
        if made is not None:
            self._later(partial(self._show_preview, job, made))

    def _made(self, job: _Job, result: "Result") -> list[Any] | None:
        """Make layers on the worker's thread: for a large frame that takes seconds."""
        try:
            planes, out = planes_of(result), []
            for k, plane in enumerate(planes):
                alone = len(planes) == 1
                run = job.number if alone else f"{job.number}.{k + 1}"
                made = result_layers(plane, like=job.source, run=run)
                for entry in made:
                    again = f", run {job.number}" if job.number != "1" else ""
                    name = f"{job.name}: {_role(entry)}{again}"
                    entry[1]["name"] = name if alone else f"{name}, plane {k + 1}"
                out += made
        except MemoryError:
            full = OutOfMemory(
                "memory ran out", hint="close other images, and try again"
            )
            self._later(partial(self._fail, job, full))
        except Exception as error:  # noqa: BLE001 - a window must survive everything
            kind = type(error).__name__
            failure = BGRemError(f"{kind}: {error}", hint="this is a fault of bgrem")
            failure.__cause__ = error
            self._later(partial(self._fail, job, failure))
        else:
            return out
        return None

    # What follows is called on the thread of the viewer.

    def _took(self, job: _Job | None, step: "Progress") -> None:
        if job is not None and step.block is not None:
            if job.live is not None and step.tile is not None:
                self._fill(job, job.live, step)
            self.session.acknowledge()
        if job is not None and job is self._job:
            self.look()
            self.pace.take(step)
            self.progressed.emit(self.pace)

    def _fill(self, job: _Job, live: Live, step: "Progress") -> None:
        if live.layer is None:
            live.layer = self._live_layer(job, live)
        if step.block is not None and step.tile is not None:
            live.put(step.tile.keep, step.block)

    def _live_layer(self, job: _Job, live: Live) -> "Layer":
        from napari.layers import Image as ImageLayer

        like, levels = job.source, live.pyramid.levels
        layer = ImageLayer(
            levels if len(levels) > 1 else levels[0],
            multiscale=len(levels) > 1,
            name=f"{job.name}: at work",
            contrast_limits=like.contrast_limits,
            colormap=like.colormap,
            gamma=like.gamma,
            metadata={
                KEY: Mark(role="partial", image=_first(job.image), run=job.number)
            },
            **placement_like(like),
        )
        self.viewer.add_layer(layer)
        return layer

    def _end(self, job: _Job | None) -> bool:
        """Note that a job is over; False if it was over before."""
        if job is None or job is not self._job:
            return False
        self._job, self.pace = None, Pace()
        return True

    def _stopped(self, job: _Job | None) -> None:
        if job is not None and self._end(job):
            self._keep_partial(job)
            self.changed.emit()

    def _fail(self, job: _Job | None, error: BGRemError) -> None:
        if self._end(job):
            assert job is not None  # noqa: S101 - `_end` says so
            self._keep_partial(job)
            self.failed.emit(error)
            self.changed.emit()

    def _keep_partial(self, job: _Job) -> None:
        live = job.live
        if live is None or live.layer is None:
            return
        live.paint()
        live.layer.name = f"{job.name}: partial"

    def _measured(self, job: _Job | None, scale: Scale) -> None:
        self._end(job)
        self.scale_changed.emit(scale)
        self.changed.emit()

    def _listed(self, job: _Job | None, sources: object) -> None:
        self._end(job)
        self.found.emit(sources)
        self.changed.emit()

    def _show(self, job: _Job, result: "Result", made: list[Any]) -> None:
        """Add the layers one by one: each takes napari a while, and all a second."""
        if job is not self._job:
            return
        if made:
            self._add(made[:1])
            self._soon(partial(self._show, job, result, made[1:]))
            return
        self._end(job)
        self.result = result
        self._made_by = job.method, job.settings, job.image
        self._remove_live(job)
        self.viewer.layers.selection = set(marked(self.viewer, "cleaned", job.number))
        self.scale_changed.emit(planes_of(result)[0].scale)
        self.shown.emit(job.number)
        self.changed.emit()

    def _show_preview(self, job: _Job, made: list[Any]) -> None:
        if not self._end(job) or job.block is None:
            return
        for layer in list(self.viewer.layers):
            mark = mark_of(layer)
            if mark and mark.role == "preview":
                self.viewer.layers.remove(layer)
        data, options, kind = next(t for t in made if _role(t) == "cleaned")
        mark = options["metadata"][KEY]
        options = {
            **options,
            "name": f"{job.name}: preview",
            "translate": _moved(job.source, job.block),
            "visible": True,
            "metadata": {
                **options["metadata"],
                KEY: dataclasses.replace(mark, role="preview"),
            },
        }
        layer = self._add([(data, options, kind)])
        self.previewed.emit(layer)
        if mark.separation is not None:
            self.scale_changed.emit(mark.separation.scale)
        self.changed.emit()

    def _remove_live(self, job: _Job) -> None:
        layer = job.live and job.live.layer
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def _add(self, made: list[Any]) -> "Layer | None":
        """Add layers; return the last one."""
        from napari.layers import Layer

        layer = None
        for data, options, kind in made:
            layer = self.viewer.add_layer(Layer.create(data, options, kind))
        return layer


def desk_of(
    viewer: "ViewerModel", *, later: Later | None = None, soon: Later | None = None
) -> Desk:
    """Return the desk of a viewer, one for all widgets that it shows."""
    if viewer not in _DESKS:
        _DESKS[viewer] = Desk(viewer, later=later, soon=soon)
    return _DESKS[viewer]


def close_desk(viewer: "ViewerModel") -> None:
    """Stop what the desk of a viewer does, and forget it."""
    desk = _DESKS.pop(viewer, None)
    if desk is not None:
        desk.close()


def _first(opened: "Image | Stack") -> Image:
    return opened.planes[0] if isinstance(opened, Stack) else opened


def _role(made: Any) -> str:
    return str(made[1]["metadata"][KEY].role)


def _moved(layer: "Layer", block: "Block") -> Any:
    """Return the translation of a layer that shows a block of another."""
    from napari.utils.transforms import Affine

    place = placement_like(layer)  # of rows and columns, whatever axes come before
    turned = {k: place[k] for k in ("rotate", "shear") if k in place}
    own = Affine(scale=place["scale"], translate=place["translate"], ndim=2, **turned)
    return own((block[0].start, block[1].start))
