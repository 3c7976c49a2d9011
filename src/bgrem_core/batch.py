"""One file on its way through the house: door, method, search, output."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core.api import Result, run
from bgrem_core.catalog import write_catalog
from bgrem_core.flags import Request
from bgrem_core.image import Opened, Stack
from bgrem_core.io import (
    catalog_path,
    check_target,
    is_product,
    open_all,
    open_image,
    output_path,
    write,
)
from bgrem_core.planes import bands
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.stack import StackSeparation

if TYPE_CHECKING:
    from astropy.table import QTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    source : Path
        The input.
    output : Path or None
        The cleaned file; None if the input was skipped.
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


def clean_file(source: Path, request: Request) -> Generator[Progress, None, Outcome]:
    """Clean one file and write what was asked for.

    Parameters
    ----------
    source : Path
        A FITS, TIFF or PNG file.
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
    out = request.output
    target = output_path(source, folder=out.output, prefix=out.prefix)
    check_target(target, source, overwrite=out.overwrite)
    listing = None
    if out.catalog is not None:
        listing = catalog_path(target, out.catalog)
        check_target(listing, source, overwrite=out.overwrite)
    opened = _open(source, request)
    if any(is_product(plane.header) for one in opened for plane in _planes(one)):
        return Outcome(source=source, skipped="it is a result of bgrem already")
    results: list[Result] = []
    for one in opened:
        result = yield from run(one, request.method, request.run)
        results.append(result)
    separations = tuple(s for result in results for s in _separations(result))
    table = None
    if listing is not None:
        yield Progress(stage="find", done=0, total=1)
        table, results = _search(results, request)
        yield Progress(stage="find", done=1, total=1)
    yield Progress(stage="write", done=0, total=1)
    write(
        results if len(results) > 1 else results[0],
        target,
        layers=out.layers,
        clip=out.clip,
        overwrite=out.overwrite,
    )
    if table is not None and listing is not None:
        write_catalog(table, listing, overwrite=out.overwrite)
    yield Progress(stage="write", done=1, total=1)
    return Outcome(
        source=source,
        output=target,
        catalog=listing,
        sources=table,
        separations=separations,
    )


def _open(source: Path, request: Request) -> list[Opened]:
    if request.door.hdu == "all":
        return list(open_all(source, request.door))
    return [open_image(source, settings=request.door)]


def _planes(opened: Opened) -> Sequence[Any]:
    return opened.planes if isinstance(opened, Stack) else (opened,)


def _separations(result: Result) -> tuple[Separation, ...]:
    return result.planes if isinstance(result, StackSeparation) else (result,)


def _search(results: list[Result], request: Request) -> tuple["QTable", list[Result]]:
    """Search every plane; one table for a file, with a column "plane" if several."""
    from astropy.table import vstack

    tables: list[QTable] = []
    found: list[Result] = []
    many = sum(len(_separations(r)) for r in results) > 1
    for result in results:
        planes = []
        for separation in _separations(result):
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
    made = replace(separation.provenance, threshold=threshold)
    return table, replace(separation, catalog=table, extras=extras, provenance=made)
