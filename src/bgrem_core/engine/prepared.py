"""What a run over a frame out of memory is told before the first tile."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bgrem_core.api import split_settings
from bgrem_core.engine.measured import measured
from bgrem_core.engine.models import model_of
from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import Image
from bgrem_core.methods import get_method
from bgrem_core.methods.bgrem import JOINT_MESH, BGRemSettings, tiles_of
from bgrem_core.methods.common import check_method
from bgrem_core.methods.mesh import MeshSettings
from bgrem_core.normalize import Scale
from bgrem_core.planes import Plane
from bgrem_core.settings import OpenSettings
from bgrem_core.tiles import Grid, grid

#: What of the door a bare array knows.
_KNOWN = {"gain", "fwhm", "zeropoint", "saturation"}
_LEAST = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """Settings, tiles and scale of a run.

    Attributes
    ----------
    method : str
        "bgrem" or "mesh".
    settings : BGRemSettings or MeshSettings
        Of the method.
    door : OpenSettings
        Gain, FWHM, zero point and saturation.
    grid : Grid
        Tiles; what they keep are the chunks of all that is written.
    scale : Scale
        Of the whole frame.
    model : str
        Name of the model's card, "" for none.
    sha256 : str
        Hash of its file, "" for none.
    steps : int
        Reverse steps, 0 for none.
    joint : bool
        The model takes the sky away with the noise.
    notices : tuple of str
        Of the model.
    """

    method: str
    settings: BGRemSettings | MeshSettings
    door: OpenSettings
    grid: Grid
    scale: Scale
    model: str = ""
    sha256: str = ""
    steps: int = 0
    joint: bool = False
    notices: tuple[str, ...] = ()

    @property
    def sky_scale(self) -> int | str:
        """Setting of the sky's scale."""
        return JOINT_MESH if self.joint else self.settings.sky_scale

    @property
    def noise(self) -> bool:
        """Whether a network takes noise away and the sky is measured after it."""
        return self.method == "bgrem" and not self.joint

    @property
    def image(self) -> dict[str, Any]:
        """Fields of every `Image` of this frame."""
        door = self.door
        return {name: getattr(door, name) for name in sorted(_KNOWN)}


def prepare(plane: Plane, method: str, settings: dict[str, Any]) -> Prepared:
    """Check a frame and its settings, and measure its scale.

    Parameters
    ----------
    plane : Plane
        Real numbers of shape (ny, nx); of which rows can be read.
    method : str
        "bgrem" or "mesh".
    settings : dict
        As for `bgrem_core.clean`.

    Returns
    -------
    Prepared
        Ready for the tiles.

    Raises
    ------
    UsageError
        Another method, or a setting that needs the whole frame or a file.
    ImageError
        No plane of real numbers, or one of less than 16 pixels a side.
    ModelError
        The model cannot be loaded.
    """
    if method not in {"bgrem", "mesh"}:
        get_method(method)
        raise UsageError(
            f"the method {method} works on whole frames in memory",
            hint="use bgrem or mesh, or give it a numpy array",
        )
    door, run = split_settings(get_method(method), settings)
    _check(plane, door, run.mask_grow)
    shape = (plane.shape[0], plane.shape[1])
    empty = np.zeros((0, 0), np.float32)
    known = {name: getattr(door, name) for name in _KNOWN}
    nothing = Image(data=empty, flags=empty.astype(np.uint8), **known)
    if isinstance(run, BGRemSettings):
        model = model_of(run, "")
        check_method(model, "bgrem", run.model)
        return Prepared(
            method=method,
            settings=run,
            door=door,
            grid=tiles_of(shape, model.card, run),
            scale=measured(plane, run, known=nothing),
            model=model.card.name,
            sha256=model.sha256,
            steps=run.steps or model.card.steps,
            joint=model.card.objective == "joint",
            notices=tuple(model.notices),
        )
    assert isinstance(run, MeshSettings)  # noqa: S101 - of the method "mesh"
    return Prepared(
        method=method,
        settings=run,
        door=door,
        grid=grid(shape, tile=run.tile, margin=0),
        scale=measured(plane, run, known=nothing),
    )


def _check(plane: Plane, door: OpenSettings, mask_grow: int) -> None:
    if len(plane.shape) != 2 or plane.dtype.kind not in "fiub":
        raise ImageError(
            f"an array of shape {plane.shape} and type {plane.dtype} is no image",
            hint="give one plane of real numbers",
        )
    if min(plane.shape) < _LEAST:
        raise ImageError(
            f"an array of shape {plane.shape} is too small",
            hint=f"give at least {_LEAST} pixels a side",
        )
    default = OpenSettings()
    for name in vars(default):
        if name not in _KNOWN and getattr(door, name) != getattr(default, name):
            raise UsageError(
                f"{name} is known of files only", hint="open the file with open_image"
            )
    if mask_grow:
        raise UsageError(
            "mask_grow needs the whole frame in memory",
            hint="leave it out, or set the pixels to NaN",
        )
