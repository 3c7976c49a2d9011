"""Job: what a desk has at work, and the layers that come of it."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from bgrem_core.image import Stack
from bgrem_core.settings import RunSettings
from bgrem_core.stack import planes_of
from napari_bgrem.in_colour import colour_layers
from napari_bgrem.products import result_layers

if TYPE_CHECKING:
    from bgrem_core.api import Result
    from bgrem_core.image import Image
    from bgrem_core.planes import Block
    from bgrem_core.session import Session
    from napari_bgrem.layers import LayerData
    from napari_bgrem.live import Live

__all__ = ["Job", "Kind", "first_of", "made_of", "script_of"]

Kind = Literal["run", "preview", "estimate", "find"]


@dataclasses.dataclass(kw_only=True, eq=False)
class Job:
    """What is at work, and where its layers will lie.

    Attributes
    ----------
    kind : str
        "run", "preview", "estimate" or "find".
    name : str
        Of the source when the job began: its layers bear it.
    number : str
        Which run it is, or which one is searched.
    source : napari.layers.Layer or None
        What is worked on; None for a search.
    image : Image or Stack
        What the core sees of it.
    method : str
        Key of METHODS.
    settings : RunSettings
        Of the method.
    live : Live or None
        Of a run, what fills while it is at work.
    block : tuple of slice or None
        Of a preview, the part that is cleaned.
    """

    kind: Kind
    name: str
    number: str
    source: Any
    image: "Image | Stack"
    method: str = ""
    settings: RunSettings = dataclasses.field(default_factory=RunSettings)
    live: "Live | None" = None
    block: "Block | None" = None


def made_of(job: Job, result: "Result") -> "list[LayerData]":
    """Return the layers of a result; for a large frame that takes seconds.

    Parameters
    ----------
    job : Job
        Of which it is the result.
    result : Separation or StackSeparation
        Of a stack each plane gets its layers, and an image in colour two for all.

    Returns
    -------
    list of LayerData
        Named after the source, the run from the second one on, and the plane.
    """
    planes = planes_of(result)
    again = f", run {job.number}" if job.number != "1" else ""
    if len(planes) == 1:
        return result_layers(
            planes[0], like=job.source, run=job.number, name=job.name, note=again
        )
    made = []
    for k, plane in enumerate(planes, 1):
        made += result_layers(
            plane,
            like=job.source,
            run=f"{job.number}.{k}",
            name=job.name,
            note=f"{again}, plane {k}",
        )
    if getattr(job.source, "rgb", False):
        for _, keywords, _ in made:
            keywords["visible"] = False
        made += colour_layers(
            planes, like=job.source, run=job.number, name=job.name, note=again
        )
    return made


def script_of(job: Job, session: "Session", strength: float) -> str:
    """Return a script that gives the result of a job, at a strength.

    Parameters
    ----------
    job : Job
        A run that has ended.
    session : Session
        That it was run by; as it was before when this returns.
    strength : float
        Share of the noise that is taken away; left out where the method has none.

    Returns
    -------
    str
        A few lines of Python.
    """
    before = session.method, session.settings, session.image
    settings = job.settings
    if hasattr(settings, "strength"):
        settings = dataclasses.replace(settings, strength=strength)  # type: ignore[call-arg]
    session.method, session.settings, session.image = job.method, settings, job.image
    try:
        return session.as_python()
    finally:
        session.method, session.settings, session.image = before


def first_of(opened: "Image | Stack") -> "Image":
    """Return an image, of a stack the first plane."""
    return opened.planes[0] if isinstance(opened, Stack) else opened
