"""The sky of a frame out of memory, and what comes of a block when it is known."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.engine.answers import TAKEN
from bgrem_core.engine.prepared import Prepared
from bgrem_core.io.provenance import Provenance
from bgrem_core.methods.common import norm_of, package_version, sky_pass
from bgrem_core.planes import Block, LazyPlane, Plane
from bgrem_core.progress import drain
from bgrem_core.separation import subtract
from bgrem_core.sky import Sky

Blocks = dict[str, NDArray[Any]]


def sky_of(prepared: Prepared, data: Plane, flags: Plane, taken: Plane | None) -> Sky:
    """Measure the sky, on the denoised frame where there is one.

    Parameters
    ----------
    prepared : Prepared
        Of the run.
    data, flags : Plane
        Of the frame; flags with those that the network set.
    taken : Plane or None
        What the network takes away.

    Returns
    -------
    Sky
        As in a run over an array in memory.
    """
    plane = data
    if prepared.noise and taken is not None:
        noise = taken
        plane = LazyPlane(prepared.grid.shape, lambda r, c: data[r, c] - noise[r, c])
    return drain(
        sky_pass(
            plane,
            flags,
            scale=prepared.scale,
            setting=prepared.sky_scale,
            denoised=prepared.noise,
        )
    )


def finished(
    prepared: Prepared, at: Block, data: NDArray[np.float32], said: Blocks, sky: Sky
) -> Blocks:
    """Return all that is known of a block, by name.

    Parameters
    ----------
    prepared : Prepared
        Of the run.
    at : tuple of slice
        Where the block lies.
    data : ndarray of float32
        Its pixels.
    said : dict of ndarray
        What the network says of it, empty without a network.
    sky : Sky
        Of the whole frame.

    Returns
    -------
    dict of ndarray
        "cleaned", the parts, "photometric", and "uncertainty" if it is known.
    """
    level = np.array(sky.mesh[at], np.float32)
    level[~np.isfinite(data)] = np.nan
    parts: Blocks = {"sky": level}
    strength = getattr(prepared.settings, "strength", 1.0)
    if prepared.joint:
        parts = {"background": said[TAKEN]}
    elif prepared.noise:
        noise = said[TAKEN]
        parts["noise"] = noise if strength == 1 else strength * noise
    residual = np.zeros_like(data)
    for part in parts.values():
        residual += part
    out: Blocks = {
        "cleaned": subtract(data, residual),
        **parts,
        "photometric": data - level,
    }
    if "width" in said:
        left = 1 - strength
        sigma = prepared.scale.sigma[at]
        width = said["width"]
        spread = np.hypot(width, left * sigma) if left else width
        out["uncertainty"] = np.asarray(spread, np.float32)
    return out


def names_of(prepared: Prepared) -> tuple[str, ...]:
    """Return the names of the parts, in order."""
    if prepared.joint:
        return ("background",)
    return ("sky", "noise") if prepared.noise else ("sky",)


def provenance_of(prepared: Prepared, sky: Sky) -> Provenance:
    """Return what made the result, as a run over an array in memory says it."""
    network = prepared.method == "bgrem"
    return Provenance(
        version=package_version(),
        method=prepared.method,
        model=prepared.model,
        model_sha256=prepared.sha256,
        steps=prepared.steps,
        norm=norm_of(prepared.scale) if network else float("nan"),
        sky=sky.description,
        seed=prepared.settings.seed,
        gain=prepared.door.gain,
        settings=dataclasses.asdict(prepared.settings),
    )
