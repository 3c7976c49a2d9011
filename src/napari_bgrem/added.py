"""Added: the layers of a run in a viewer, from its first tile to its result."""

import dataclasses
from typing import TYPE_CHECKING, Any

from napari_bgrem.job import first_of
from napari_bgrem.mark import KEY, Mark, marked
from napari_bgrem.placement import placement_like

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.planes import Block
    from bgrem_core.progress import Progress
    from napari_bgrem.job import Job
    from napari_bgrem.layers import LayerData

__all__ = ["add", "add_preview", "fill", "keep_partial", "remove_live"]


def add(viewer: "ViewerModel", made: "LayerData") -> "Layer":
    """Add a layer and return it."""
    from napari.layers import Layer

    return viewer.add_layer(Layer.create(*made))


def fill(viewer: "ViewerModel", job: "Job", step: "Progress") -> None:
    """Show a tile that is done; the first one brings the layer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Gets the layer.
    job : Job
        A run.
    step : Progress
        With its tile and block, else nothing happens.
    """
    live = job.live
    if live is None or step.block is None or step.tile is None:
        return
    if live.layer is None:
        live.layer = _live_layer(viewer, job)
    live.put(step.tile.keep, step.block)


def keep_partial(job: "Job") -> None:
    """Show all that came of a run that has ended, and name it so."""
    live = job.live
    if live is None or live.layer is None:
        return
    live.paint()
    live.layer.name = f"{job.name}: partial"


def remove_live(viewer: "ViewerModel", job: "Job") -> bool:
    """Remove the layer that filled; False if there is none."""
    layer = job.live and job.live.layer
    if layer is None or layer not in viewer.layers:
        return False
    viewer.layers.remove(layer)
    return True


def add_preview(
    viewer: "ViewerModel", job: "Job", made: "list[LayerData]"
) -> "Layer | None":
    """Show a preview in the place of the last one.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Gets the layer.
    job : Job
        A preview, with its block.
    made : list of LayerData
        Of its result.

    Returns
    -------
    napari.layers.Layer or None
        The new layer; None for a job without a block.
    """
    if job.block is None:
        return None
    for layer in marked(viewer, "preview"):
        viewer.layers.remove(layer)
    data, options, kind = next(
        entry for entry in made if entry[1]["metadata"][KEY].role == "cleaned"
    )
    mark = dataclasses.replace(options["metadata"][KEY], role="preview")
    options = {
        **options,
        "name": f"{job.name}: preview",
        "translate": _moved(job.source, job.block),
        "visible": True,
        "metadata": {**options["metadata"], KEY: mark},
    }
    return add(viewer, (data, options, kind))


def _live_layer(viewer: "ViewerModel", job: "Job") -> Any:
    from napari.layers import Image

    assert job.live is not None  # noqa: S101 - `fill` has looked
    like, levels = job.source, job.live.pyramid.levels
    layer = Image(
        levels if len(levels) > 1 else levels[0],
        multiscale=len(levels) > 1,
        name=f"{job.name}: at work",
        contrast_limits=like.contrast_limits,
        colormap=like.colormap,
        gamma=like.gamma,
        metadata={KEY: Mark(role="partial", image=first_of(job.image), run=job.number)},
        **placement_like(like),
    )
    return viewer.add_layer(layer)


def _moved(layer: "Layer", block: "Block") -> Any:
    """Return the translation of a layer that shows a block of another."""
    from napari.utils.transforms import Affine

    place = placement_like(layer)  # of rows and columns, whatever axes come before
    turned = {k: place[k] for k in ("rotate", "shear") if k in place}
    own = Affine(scale=place["scale"], translate=place["translate"], ndim=2, **turned)
    return own((block[0].start, block[1].start))
