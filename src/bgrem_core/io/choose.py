"""Choose: which HDU of a FITS file is the image, and what belongs to it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.io.container import open_container
from bgrem_core.io.fits import scan_fits
from bgrem_core.io.layout import HDURecord
from bgrem_core.io.lookup import TABLES

#: Keyword on the HDUs that `write` adds for the parts of a result.
LAYER_KEY = "BGRLAYER"

# What is not science by its name; used only as the sibling of a SCI, or when named.
_AUXILIARY = frozenset({
    "DQ", "ERR", "ERROR", "MASK", "MSK", "UNCERT", "WHT", "WEIGHT", "WGT", "VAR",
    "VARIANCE", "IVAR", "INVVAR", "BPM", "FLAGS", "CTX", "EXP", "SEGM", "PSF",
    *TABLES,
})  # fmt: skip
_FLAT = 2
#: Cuts a patch out of a list of photons; the two names of files stand for the user's.
GTBIN = (
    "gtbin algorithm=CMAP evfile=photons.fits outfile=counts.fits scfile=NONE "
    "nxpix=64 nypix=64 binsz=0.2 coordsys=GAL xref=L yref=B axisrot=0 proj=CAR"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HDUInfo:
    """One HDU of a file, for people.

    Attributes
    ----------
    index : int
        Position in the file, 0 = primary.
    name : str
        EXTNAME, or "".
    version : int
        EXTVER.
    kind : {"image", "compressed", "table", "empty", "other"}
        What it holds.
    shape : tuple of int
        Shape of the image, slowest axis first; () if it is none.
    """

    index: int
    name: str
    version: int
    kind: Literal["image", "compressed", "table", "empty", "other"]
    shape: tuple[int, ...]


def list_hdus(path: str | os.PathLike[str]) -> tuple[HDUInfo, ...]:
    """List the HDUs of a FITS file without reading any data.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    tuple of HDUInfo
        In the order of the file; empty for a TIFF or PNG.

    Raises
    ------
    ReadError
        The file cannot be read.
    """
    with open_container(path) as container:
        if container.format != "fits":
            return ()
        return tuple(
            HDUInfo(
                index=r.index,
                name=r.name,
                version=r.version,
                kind=r.kind,
                shape=r.shape,
            )
            for r in scan_fits(container).records
        )


def is_image(record: HDURecord) -> bool:
    """Whether an HDU holds an image of at least two axes."""
    return len(record.shape) >= _FLAT and all(record.shape)


def science(records: Sequence[HDURecord]) -> list[HDURecord]:
    """Return the image HDUs that may be meant where none was named."""
    images = [r for r in records if is_image(r)]
    images = [r for r in images if LAYER_KEY not in r.values] or images
    named = [r for r in images if r.name.upper() == "SCI"]
    plain = [r for r in images if r.name.upper() not in _AUXILIARY]
    found = named or plain or images
    if not found:
        _refuse_healpix(records)
        listed = ", ".join(r.label for r in records)
        raise ImageError(f"no HDU holds an image: {listed}")
    return found


def choose(records: Sequence[HDURecord], wanted: str | None) -> tuple[HDURecord, str]:
    """Choose the image HDU.

    Parameters
    ----------
    records : sequence of HDURecord
        All HDUs of the file.
    wanted : str or None
        Index, EXTNAME or "EXTNAME,EXTVER"; None to choose.

    Returns
    -------
    record : HDURecord
        The image.
    assumed : str
        What was assumed, "" if the HDU was named.

    Raises
    ------
    UsageError
        There is no such HDU, or several could be meant.
    ImageError
        No HDU, or not the named one, holds an image.
    """
    if wanted is not None and wanted.lower() != "all":
        record = find(records, wanted)
        if not is_image(record):
            _refuse_healpix([record])
            raise ImageError(
                f"HDU {record.label} holds no image", hint=_listed(records)
            )
        return record, ""
    found = science(records)
    if len(found) > 1:
        listed = ", ".join(r.label for r in found[:20])
        handle = _handle(found[0], found)
        raise UsageError(
            f"{len(found)} HDUs hold an image: {listed}",
            hint=f"choose one with -i, such as -i {handle}, or -i all",
        )
    return found[0], f"image in HDU {found[0].label} (-i)"


def find(records: Sequence[HDURecord], wanted: str) -> HDURecord:
    """Return the HDU of an index, EXTNAME or "EXTNAME,EXTVER".

    Raises
    ------
    UsageError
        There is none, or several have this name.
    """
    text = wanted.strip()
    name, _, version = text.partition(",")
    matches = [r for r in records if r.name.upper() == name.strip().upper()]
    if version.strip().isdecimal():
        matches = [r for r in matches if r.version == int(version)]
    if text.isdecimal() and not matches:
        matches = [r for r in records if r.index == int(text)]
    if not matches:
        raise UsageError(f"there is no HDU {wanted!r}", hint=_listed(records))
    if len(matches) > 1:
        listed = ", ".join(r.label for r in matches[:20])
        raise UsageError(f"several HDUs are called {wanted!r}: {listed}",
                         hint="choose one by its number")  # fmt: skip
    return matches[0]


def sibling(
    records: Sequence[HDURecord], image: HDURecord, name: str
) -> HDURecord | None:
    """Return the HDU `name` of a SCI, if there is one that fits then that, or None."""
    if image.name.upper() != "SCI":
        return None
    found = [
        r for r in records if r.name.upper() == name and r.version == image.version
    ]
    fitting = (record for record in found if record.shape == image.shape)
    return next(fitting, found[0] if found else None)


def _refuse_healpix(records: Sequence[HDURecord]) -> None:
    """Refuse a map that has no rows and columns, and say how to get some."""
    for record in records:
        if str(record.values.get("PIXTYPE", "")).strip().upper() == "HEALPIX":
            raise ImageError(
                f"HDU {record.label} holds a HEALPix map, which has no rows and "
                "columns",
                hint=f"cut a patch; of photons: {GTBIN}",
            )


def _handle(record: HDURecord, others: Sequence[HDURecord]) -> str:
    unique = [r.name for r in others].count(record.name) == 1
    return record.name if record.name and unique else str(record.index)


def _listed(records: Sequence[HDURecord]) -> str:
    return "the file has " + ", ".join(r.label for r in records[:20])
