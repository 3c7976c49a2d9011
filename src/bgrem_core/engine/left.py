"""Smooth planes that a run leaves in its folder for those who work on it."""

import json
from functools import lru_cache

from bgrem_core.engine.store import Store, opened
from bgrem_core.mesh import Mesh
from bgrem_core.planes import constant
from bgrem_core.sky import Sky


def leave(store: Store, name: str, sky: Sky) -> None:
    """Leave a sky under a name that tells what is in it."""
    level = None
    if isinstance(sky.mesh, Mesh):
        store.keep(name, sky.mesh)
    else:
        level = float(sky.mesh[0:1, 0:1][0, 0])
    facts = {"description": sky.description, "level": level}
    (store.folder / f"{name}.json").write_text(json.dumps(facts))


@lru_cache(maxsize=8)
def left(folder: str, name: str) -> Sky:
    """Return what was left, read once in this process."""
    store = opened(folder)
    facts = json.loads((store.folder / f"{name}.json").read_text())
    level = facts["level"]
    known = level is not None
    mesh = constant(level, store.prepared.grid.shape) if known else store.plane(name)
    return Sky(mesh=mesh, description=facts["description"])
