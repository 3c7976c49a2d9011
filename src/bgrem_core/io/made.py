"""Made: what a file says of how this package made it, without its pixels."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgrem_core.io.container import open_container
from bgrem_core.io.fits import quiet, scan_fits
from bgrem_core.io.layout import card_key
from bgrem_core.io.provenance import ORDER_KEYS

# Results are not compressed as a whole.
_FITS, _TIFF = b"SIMPLE", (b"II", b"MM")
# So a catalogue tells what its image was made with.
_CATALOGUE = b"HISTORY provenance.method = "


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a result was made.

    Attributes
    ----------
    input_sha256 : str
        Hash of the input file; "" if the result does not say.
    asked : dict
        What the command was asked for, see `Provenance.asked`.
    """

    input_sha256: str = ""
    asked: dict[str, Any] = field(default_factory=dict)


def read_made(path: str | Path) -> Made | None:
    """Read how a file was made.

    Parameters
    ----------
    path : path
        Any file.

    Returns
    -------
    Made or None
        None if the file is no image or catalogue of this package, or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            first = file.read(len(_FITS))
        with quiet():
            if first == _FITS:
                return _of_fits(Path(path))
            return _of_tiff(Path(path)) if first[:2] in _TIFF else None
    # Whatever lies there, it is none of ours.
    except Exception:  # noqa: BLE001
        return None


def _of_fits(path: Path) -> Made | None:
    # Found without trusting the file, which may be anything; cut off, it is no result.
    with open_container(path) as container:
        records = scan_fits(container).records
    for record in records:
        if any(c.startswith(_CATALOGUE) for c in record.cards):
            return Made()
        if "BGRVER" in record.values:
            digest, asked = (_text(record.cards, key) for key in ORDER_KEYS)
            return _made(digest, asked or "{}")
    return None


def _text(cards: tuple[bytes, ...], key: str) -> str:
    """Return a text that may go on over several cards, "" if there is none."""
    from astropy.io import fits

    at = next((k for k, card in enumerate(cards) if card_key(card) == key), None)
    if at is None:
        return ""
    more = itertools.takewhile(lambda c: card_key(c) == "CONTINUE", cards[at + 1 :])
    return str(fits.Card.fromstring(b"".join([cards[at], *more])).value)


def _of_tiff(path: Path) -> Made | None:
    import tifffile

    with tifffile.TiffFile(path) as file:
        said = json.loads(file.pages.first.description).get("bgrem")
    if said is None:
        return None
    return _made(said.get("input_sha256"), said.get("asked") or {})


def _made(digest: Any, asked: Any) -> Made:
    known = json.loads(asked) if isinstance(asked, str) else asked
    return Made(input_sha256=str(digest or ""), asked=dict(known))
