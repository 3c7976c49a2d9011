"""Provenance: what made a result, as header cards and as JSON."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

#: Keys that only the command writes, for its next run to compare.
ORDER_KEYS = ("BGRINPUT", "BGRASKED")

CardTuple = tuple[str, str | int | float | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made a result.

    Attributes
    ----------
    version : str
        Version of this package (BGRVER).
    method : str
        Key of METHODS (BGRMETH).
    model : str
        Name of the model, "" for none (BGRMODEL).
    model_sha256 : str
        Hash of its file (BGRHASH).
    steps : int
        Reverse steps, 0 for none (BGRSTEPS).
    norm : float
        1 / sigma by which the network's input was multiplied, median over the frame;
        NaN for none (BGRNORM).
    sky : str
        Sky scale and why (BGRSKY).
    seed : int
        (BGRSEED).
    threshold : float
        Detection threshold in sigma, NaN if nothing was searched (BGRTHR).
    gain : float or None
        Electrons per image unit, None = unknown (BGRGAIN).
    settings : mapping
        All settings of the run, as plain values.
    measured : mapping
        What the method measured of the frame and needs again, as plain values.
    input_sha256 : str
        Hash of the input file, "" where the command did not run (BGRINPUT).
    asked : mapping
        What the command was asked for, by the names of its flags; what was left at its
        default is left out (BGRASKED).
    """

    version: str
    method: str
    model: str = ""
    model_sha256: str = ""
    steps: int = 0
    norm: float = float("nan")
    sky: str = "none"
    seed: int = 0
    threshold: float = float("nan")
    gain: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    input_sha256: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)

    def cards(self) -> list[CardTuple]:
        """Return the header cards of a result.

        Returns
        -------
        list of (keyword, value, comment)
            None as a value means undefined, as FITS knows no NaN; the last is one line
            of HISTORY.
        """
        gain = "UNKNOWN" if self.gain is None else self.gain
        date = written_at().strftime("%Y-%m-%dT%H:%M:%S")
        return [
            ("BGRVER", self.version, "version of bgrem"),
            ("BGRMETH", self.method, "method"),
            ("BGRMODEL", self.model, "model"),
            # A hash fills the card: there is no room for a comment.
            ("BGRHASH", self.model_sha256, ""),
            ("BGRSTEPS", self.steps, "reverse steps"),
            ("BGRNORM", _number(self.norm), "1 / sigma of the input, median"),
            ("BGRSKY", self.sky, "sky scale"),
            ("BGRSEED", self.seed, "seed"),
            ("BGRTHR", _number(self.threshold), "[sigma] detection threshold"),
            ("BGRGAIN", gain, "electrons per image unit"),
            *self._order(),
            ("BGRDATE", date, "UTC"),
            ("HISTORY", self._history(), ""),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields as JSON knows them; NaN becomes None."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    def _order(self) -> list[CardTuple]:
        """Return what a later run compares before it works."""
        if not self.input_sha256:
            return []
        asked = json.dumps(_plain(self.asked), separators=(",", ":"))
        values = self.input_sha256, asked
        return [(key, value, "") for key, value in zip(ORDER_KEYS, values, strict=True)]

    def _history(self) -> str:
        model = f", model {self.model}" if self.model else ""
        return f"bgrem {self.version}: method {self.method}{model}"


def written_at() -> datetime:
    """Return the time to be written into files: now, or SOURCE_DATE_EPOCH."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdecimal():
        return datetime.fromtimestamp(int(epoch), UTC)
    return datetime.now(UTC)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return _number(value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    item = getattr(value, "item", None)
    return _plain(item()) if callable(item) else str(value)
