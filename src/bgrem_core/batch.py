"""One file on its way through the house: door, method, search, output."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core.api import Result, check_resumable, run
from bgrem_core.catalog import find_writer, staged_catalog
from bgrem_core.errors import UsageError, WriteError
from bgrem_core.finished import asked, fingerprint, is_finished, signed
from bgrem_core.flags import Request
from bgrem_core.image import Opened, Stack
from bgrem_core.io import (
    catalog_path,
    check_kind,
    check_target,
    hold,
    is_product,
    make_folder,
    open_all,
    open_image,
    output_path,
    read_made,
    work_folder,
    work_folder_of,
    write,
)
from bgrem_core.io.atomic import sweep
from bgrem_core.io.celestial import without_equatorial
from bgrem_core.io.container import check_source
from bgrem_core.planes import bands
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.stack import StackSeparation, planes_of

if TYPE_CHECKING:
    from astropy.table import QTable

    from bgrem_core.settings import RunSettings

#: Why an input is not cleaned, and why a target is left as it is.
A_RESULT = "it is a result of bgrem already"
FINISHED = "it is finished already"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    source : Path
        The input.
    output : Path or None
        The cleaned file; None if there is none, as the input is a result itself.
    catalog : Path or None
        The catalogue, if one was asked for.
    sources : QTable or None
        Its rows.
    separations : tuple of Separation
        One for each plane that was cleaned.
    skipped : str
        Why nothing was done, or "".
    """

    source: Path
    output: Path | None = None
    catalog: Path | None = None
    sources: "QTable | None" = None
    separations: tuple[Separation, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One file and where its results go.

    Attributes
    ----------
    source : Path
        The input.
    target : Path
        The cleaned file.
    listing : Path or None
        The catalogue, if one was asked for.
    """

    source: Path
    target: Path
    listing: Path | None


def plan(sources: Sequence[Path], request: Request) -> list[Plan]:
    """Decide where the results of several files go, before anything is done.

    Parameters
    ----------
    sources : sequence of Path
        All inputs of one call.
    request : Request
        All settings.

    Returns
    -------
    list of Plan
        In the order of the inputs.

    Raises
    ------
    UsageError
        Two results would have one name, or a name is of no use.
    WriteError
        A result would replace one of the inputs.
    """
    out = request.output
    plans = []
    taken: dict[Path, Path] = {}
    # Results of an earlier run that a pattern caught will be skipped.
    results = {s for s in sources if _is_result(s, out.prefix)}
    inputs = {_identity(s): s for s in sources if s not in results}
    for source in sources:
        target = output_path(source, folder=out.output, prefix=out.prefix)
        listing = None
        if out.catalog is not None:
            listing = catalog_path(target, out.catalog)
            find_writer(listing)
        for path in filter(None, () if source in results else (target, listing)):
            _check_free(path, source, inputs, taken)
        plans.append(Plan(source=source, target=target, listing=listing))
    return plans


def _is_result(source: Path, prefix: str) -> bool:
    return source.name.startswith(prefix) and read_made(source) is not None


def make_place(plans: Sequence[Plan], request: Request) -> None:
    """Make the folder for the results of a run, and sweep where they go.

    Both are done once: a folder that vanishes is told, and not made again where a disk
    was; what the dead left goes, also where every file is finished.

    Parameters
    ----------
    plans : sequence of Plan
        All files of the run.
    request : Request
        All settings.

    Raises
    ------
    WriteError
        It cannot be made.
    """
    if request.output.output is not None:
        make_folder(Path(request.output.output))
    sweep_places(plans)


def sweep_places(plans: Sequence[Plan]) -> None:
    """Remove what processes that have died left where results go."""
    targets = [path for plan in plans for path in (plan.target, plan.listing) if path]
    for folder in {path.parent for path in targets}:
        sweep(folder)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what is equal for two names of one file; None if there is none."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_dev, about.st_ino


def _check_free(
    path: Path,
    source: Path,
    inputs: Mapping[tuple[int, int] | None, Path],
    taken: dict[Path, Path],
) -> None:
    there = _identity(path)
    other = inputs.get(there, source) if there else source
    if other != source:
        raise WriteError(
            f"{path.name} would replace the input {other}",
            hint="choose another name, prefix or folder",
        )
    first = taken.setdefault(path.absolute(), source)
    if first is not source:
        raise UsageError(
            f"{path} would hold the results of both {first} and {source}",
            hint="write to several folders, or name only an extension",
        )


def clean_file(file: Plan, request: Request) -> Generator[Progress, None, Outcome]:
    """Clean one file and write what was asked for.

    Parameters
    ----------
    file : Plan
        A FITS, TIFF or PNG file and where its results go.
    request : Request
        All settings.

    Returns
    -------
    Outcome
        What was written.

    Yields
    ------
    Progress
        After each step; closing the generator leaves no file behind.

    Raises
    ------
    BGRemError
        Any; nothing is written then.
    """
    with ExitStack() as held:
        for path in filter(None, (file.target, file.listing)):
            held.enter_context(hold(path))
        return (yield from _clean_held(file, request))


def _clean_held(file: Plan, request: Request) -> Generator[Progress, None, Outcome]:
    """Clean one file whose targets no other process writes meanwhile."""
    out = request.output
    check_source(file.source)
    if read_made(file.source) is not None:
        return Outcome(source=file.source, skipped=A_RESULT)
    order, digest = asked(request), fingerprint(file.source)
    there = not out.overwrite and is_finished(file.target, digest, order)
    if there and (file.listing is None or file.listing.exists()):
        return Outcome(
            source=file.source,
            output=file.target,
            catalog=file.listing,
            skipped=_why_skipped(file.target),
        )
    if out.resume:
        check_resumable(request.method)
    # An image whose catalogue is missing, as its run was killed in between, stays.
    for path in filter(None, (None if there else file.target, file.listing)):
        check_target(path, file.source, overwrite=out.overwrite)
    check_kind(file.target, layers=out.layers)
    with work_folder(file.target) if out.resume else nullcontext() as folder:
        return (yield from _clean(file, request, folder, digest, there=there))


def _why_skipped(target: Path) -> str:
    left = work_folder_of(target)
    if not left.exists():
        return FINISHED
    return f"{FINISHED}; {left.name} is left of another run: remove it"


def _clean(
    file: Plan, request: Request, folder: Path | None, digest: str, *, there: bool
) -> Generator[Progress, None, Outcome]:
    """Clean one file; finished tiles are kept in a folder, if one is given."""
    out, order = request.output, asked(request)
    opened = _open(file.source, request)
    if any(is_product(plane.header) for one in opened for plane in _planes(one)):
        return Outcome(source=file.source, skipped=A_RESULT)
    results: list[Result] = []
    for k, one in enumerate(opened):
        kept = folder and folder / f"image-{k}"
        result = yield from run(one, request.method, _least(request), kept)
        results.append(signed(result, digest, order))
    table = None
    with ExitStack() as stack:
        if file.listing is not None:
            yield Progress(stage="find", done=0, total=1)
            table, results = _search(results, request)
            # Its name comes after the image's: both are there, or none.
            stack.enter_context(
                staged_catalog(table, file.listing, overwrite=out.overwrite)
            )
        yield Progress(stage="write", done=0, total=1)
        if not there:
            write(
                results if len(results) > 1 else results[0],
                file.target,
                layers=out.layers,
                clip=out.clip,
                overwrite=out.overwrite,
            )
    yield Progress(stage="write", done=1, total=1)
    return Outcome(
        source=file.source,
        output=file.target,
        catalog=file.listing,
        sources=table,
        separations=tuple(s for result in results for s in planes_of(result)),
    )


def _least(request: Request) -> "RunSettings":
    """Return settings of a run that computes nothing that nobody will see."""
    out, least = request.output, request.method.least
    # What is resumed may be asked for more.
    if least is None or out.layers or out.catalog is not None or out.resume:
        return request.run
    return least(request.run)


def _open(source: Path, request: Request) -> list[Opened]:
    if request.door.hdu == "all":
        return list(open_all(source, request.door))
    opening = request.method.opening
    door = opening(source, request.door) if opening else request.door
    return [open_image(source, settings=door)]


def _planes(opened: Opened) -> Sequence[Any]:
    return opened.planes if isinstance(opened, Stack) else (opened,)


def _search(results: list[Result], request: Request) -> tuple["QTable", list[Result]]:
    """Search every plane; one table for a file, with a column "plane" if several."""
    from astropy.table import vstack

    tables: list[QTable] = []
    found: list[Result] = []
    many = sum(len(planes_of(r)) for r in results) > 1
    for result in results:
        planes = []
        for separation in planes_of(result):
            table, searched = _find(separation, request, sum(map(len, tables)))
            if many:
                table["plane"] = len(tables)
            tables.append(table)
            planes.append(searched)
        found.append(
            replace(result, planes=tuple(planes))
            if isinstance(result, StackSeparation)
            else planes[0]
        )
    if not many:
        return tables[0], found
    return vstack(tables, metadata_conflicts="silent"), found


def _find(
    separation: Separation, request: Request, before: int
) -> tuple["QTable", Separation]:
    """Search one plane; ids and labels go on after the `before` sources found."""
    method, settings = request.method, request.find
    if method.find_segments is None:
        table, extras = method.find(separation, settings), separation.extras
    else:
        table, segm = method.find_segments(separation, settings)
        table["id"] += before
        for rows in bands(segm.shape):
            segm[rows][segm[rows] > 0] += before
        extras = {**separation.extras, "segm": segm}
    threshold = float(table.meta.get("threshold", float("nan")))
    image = separation.image
    notices = (*separation.notices, without_equatorial(image.header, image.wcs))
    return table, replace(
        separation,
        catalog=table,
        extras=extras,
        notices=tuple(filter(None, notices)),
        provenance=replace(separation.provenance, threshold=threshold),
    )
