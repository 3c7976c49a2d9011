"""Catalogue: the flags of a source, and the table written to a file."""

import io
import json
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bgrem_core.errors import UsageError
from bgrem_core.plain_text import cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from astropy.table import QTable


class SourceFlag(IntFlag):
    """Bits of the column ``flags``."""

    EDGE = 1
    SATURATED = 2
    BLENDED = 4
    MASKED = 8
    TRUNCATED = 16
    SKY_RING = 32
    EXTENDED = 64
    FAINT = 128
    ARTEFACT = 256
    NO_GAIN = 512
    EXTRAPOLATED = 1024


def write_catalog(
    table: "QTable", path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a catalogue; the extension says how.

    Parameters
    ----------
    table : astropy.table.QTable
        What `find_sources` returned.
    path : str or Path
        .ecsv (everything), .csv, .fits, .vot (VOTable) or .reg (DS9).
    overwrite : bool, optional
        Replace a file that exists.

    Returns
    -------
    Path
        The file, whole.

    Raises
    ------
    UsageError
        An extension that is not one of these.
    WriteError
        The file exists, or cannot be written.
    """
    with staged_catalog(table, path, overwrite=overwrite):
        pass
    return Path(path)


@contextmanager
def staged_catalog(
    table: "QTable", path: "str | Path", *, overwrite: bool = False
) -> "Iterator[None]":
    """Write a catalogue aside, and give it its name when the block ends well.

    Parameters
    ----------
    table, path, overwrite
        As for `write_catalog`.

    Yields
    ------
    None
        The catalogue is on disk, without its name.

    Raises
    ------
    UsageError
        An extension that is not one of these.
    WriteError
        The file exists, or cannot be written.
    """
    from bgrem_core.io.atomic import atomic_write

    writer = find_writer(path)
    with atomic_write(path, overwrite=overwrite) as file:
        writer(table, file)
        yield


def find_writer(path: "str | Path") -> "Callable[[QTable, IO[bytes]], None]":
    """Return what writes catalogues of this extension.

    Parameters
    ----------
    path : str or Path
        Name of a catalogue.

    Returns
    -------
    callable
        Takes the table and an open binary file.

    Raises
    ------
    UsageError
        An extension that no catalogue has.
    """
    target = Path(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise UsageError(
            f"{target.name} is not the name of a catalogue",
            hint=f"use one of {', '.join(_WRITERS)}",
        )
    return writer


def _ecsv(table: "QTable", file: IO[bytes]) -> None:
    plain = table.copy()
    plain.meta = plain_values(table.meta)
    file.write(_as_text(plain, "ascii.ecsv").encode("utf-8", "replace"))


def _csv(table: "QTable", file: IO[bytes]) -> None:
    plain = table.copy()
    plain.meta = {}
    for name in plain.colnames:
        if plain[name].dtype.kind in "USO":
            plain[name] = [cell(word) for word in plain[name]]
    file.write(_as_text(plain, "ascii.csv").encode("utf-8", "replace"))


def _as_text(table: "QTable", form: str) -> str:
    text = io.StringIO()
    table.write(text, format=form)
    return text.getvalue()


def _fits(table: "QTable", file: IO[bytes]) -> None:
    import numpy as np
    from astropy.io import fits

    columns = []
    for name in table.colnames:
        values = table[name]
        array = np.asarray(getattr(values, "value", values))
        columns.append(
            fits.Column(
                name=name,
                format=_fits_code(array),
                array=array,
                unit=_fits_unit(values),
            )
        )
    hdu = fits.BinTableHDU.from_columns(columns, name="CATALOG")
    for k, name in enumerate(table.colnames, start=1):
        about = table[name].info.description
        if about:
            hdu.header[f"TCOMM{k}"] = str(about)[:68]
    for line in flat_lines(table.meta):
        hdu.header.add_history(line)
    # astropy takes files by the words of their mode and does not know all of them.
    whole = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole, checksum=True)
    file.write(whole.getvalue())


def _fits_code(array: Any) -> str:
    if array.dtype.kind == "U":
        return f"{max(array.dtype.itemsize // 4, 1)}A"
    codes = {"f4": "E", "i8": "K", "i4": "J", "i2": "I", "u1": "B", "b1": "L"}
    return codes.get(f"{array.dtype.kind}{array.dtype.itemsize}", "D")


def _fits_unit(values: Any) -> str | None:
    unit = getattr(values, "unit", None)
    if unit is None:
        return None
    try:
        return str(unit.to_string("fits"))
    except ValueError:
        return str(unit)


def _votable(table: "QTable", file: IO[bytes]) -> None:
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info
    from astropy.table import Table

    plain = Table(table, copy=True)
    plain.meta = {}
    for name in plain.colnames:
        unit = plain[name].unit
        # adu and electron are not words of the VO; the column says what it is.
        if unit is not None and not _is_vo(unit):
            about = plain[name].description or ""
            plain[name].description = f"{about} ({unit})".strip()
            plain[name].unit = None
    tree = from_table(plain)
    for line in flat_lines(table.meta):
        key, _, value = line.partition(" = ")
        tree.resources[0].infos.append(Info(name=key, value=value))
    tree.to_xml(file)


def _is_vo(unit: Any) -> bool:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            unit.to_string("vounit")
        except (ValueError, Warning):
            return False
    return True


def _regions(table: "QTable", file: IO[bytes]) -> None:
    from bgrem_core.regions import region_lines

    file.write(("\n".join(region_lines(table)) + "\n").encode())


def flat_lines(meta: Any, prefix: str = "") -> "Iterator[str]":
    """Yield "key.key = value" for each leaf of nested mappings, in ASCII."""
    for key, value in meta.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flat_lines(value, f"{name}.")
        else:
            text = json.dumps(plain_values(value), default=str)
            line = f"{name} = {text}"
            yield line.encode("ascii", "replace").decode("ascii")


def plain_values(value: Any) -> Any:
    """Return nested mappings and lists with plain numbers, as YAML and JSON want."""
    if isinstance(value, dict):
        return {str(k): plain_values(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(v) for v in value]
    if hasattr(value, "item"):
        return value.item()
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


_WRITERS: "dict[str, Callable[[QTable, IO[bytes]], None]]" = {
    ".ecsv": _ecsv,
    ".csv": _csv,
    ".fits": _fits,
    ".vot": _votable,
    ".reg": _regions,
}
EXTENSIONS = tuple(_WRITERS)
"""Extensions of the files that `write_catalog` writes."""
