"""One frame, its tiles spread over a cluster."""

import os
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bgrem_core.engine.answers import TAKEN
from bgrem_core.engine.cluster import Gone, each, near
from bgrem_core.engine.models import told_of
from bgrem_core.engine.prepared import Prepared
from bgrem_core.engine.store import DONE, FINISHED, Store, do_tile, keeping
from bgrem_core.image import Image
from bgrem_core.methods.base import Method
from bgrem_core.methods.bgrem import BGRemSettings, Run
from bgrem_core.methods.common import check_method, frame_scale, working_flags
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.settings import OpenSettings

if TYPE_CHECKING:
    from bgrem_core.models import Model
    from bgrem_core.planes import Plane

#: What the progress towards a mark is called.
_STAGES = {DONE: "tiles", FINISHED: "write"}


def spread(method: Method, client: Any, folder: Path) -> Method:
    """Return the method "bgrem" with its tiles done by a cluster.

    Parameters
    ----------
    method : Method
        "bgrem".
    client : distributed.Client
        Of workers that see `folder` under the same name.
    folder : Path
        Where the run keeps its tiles until the result is written.

    Returns
    -------
    Method
        That gives the bits of `method`.
    """
    return replace(
        method, iterate=partial(iterate, client=client, folder=folder), resume=None
    )


def iterate(
    image: Image, settings: BGRemSettings, *, client: Any, folder: Path
) -> Generator[Progress, Any, Separation]:
    """Take noise and sky off an image, tiles elsewhere; see `Method.iterate`."""
    # A run asks the model for no more than this where others do its tiles.
    model = cast("Model", told_of(settings, client))
    check_method(model, "bgrem", settings.model)
    flags = working_flags(image, settings.mask_grow)
    scale = yield from frame_scale(image, settings)
    run = Run(image, flags, scale, model, settings)
    prepared = Prepared(
        method="bgrem",
        settings=settings,
        door=OpenSettings(gain=image.gain),
        grid=run.grid,
        scale=scale,
        model=model.card.name,
        sha256=model.sha256,
        steps=run.steps,
        joint=run.joint_objective,
    )
    staged: dict[str, Plane] = {"data": image.data, "flags": flags}
    # Files that are mapped cannot be removed on every system.
    here = near(client) and os.name == "posix"
    names = (TAKEN, *run.said.planes())
    with keeping(folder):
        store = Store.create(folder, prepared, staged=staged, near=here)
        try:
            store.prepare(names)
        except BaseException:
            store.remove()
            raise
    told = yield from done_elsewhere(store, do_tile, client)
    try:
        with keeping(folder):
            planes = {name: store.whole(name) for name in names}
    finally:
        store.remove()
    taken = planes.pop(TAKEN)
    run.said.hold(planes)
    done = yield from run.finish(taken)
    return replace(done, notices=tuple(dict.fromkeys([*done.notices, *told])))


def done_elsewhere(
    store: Store, work: Any, client: Any, *, mark: str = DONE
) -> Generator[Progress, Any, list[str]]:
    """Have the tiles done that are not done yet; a cluster that is gone keeps them.

    Parameters
    ----------
    store : Store
        Of the run.
    work : callable
        ``work(folder, row, column)``; returns notices, or None.
    client : distributed.Client or None
        None = here.
    mark : str, optional
        Array of the marks that `work` leaves.

    Returns
    -------
    list of str
        What workers have to tell, each sentence once.

    Yields
    ------
    Progress
        After each tile.

    Raises
    ------
    BGRemError
        The cluster is gone, and the store is kept. After any other error, and where
        the generator is closed, it is removed.
    """
    todo = store.todo(mark)
    stage, total = _STAGES[mark], len(store.prepared.grid)
    done = total - len(todo)
    told: dict[str, None] = {}
    try:
        yield Progress(stage=stage, done=done, total=total)
        calls = [(str(store.folder), *index) for index in todo]
        with keeping(store.folder.parent):
            for notices in each(client, work, calls):
                told |= dict.fromkeys(notices or ())
                done += 1
                yield Progress(stage=stage, done=done, total=total)
    except Gone as gone:
        done = total - len(store.todo(mark))
        raise gone.said(
            f"{done} of {total} tiles are done and kept",
            "then run the same again: it goes on from there",
        ) from gone
    except BaseException:
        store.remove()
        raise
    return list(told)
