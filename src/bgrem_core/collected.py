"""Collected: the sources of one result, found and clicked, as a window keeps them."""

import dataclasses
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.inspection import inspect
from bgrem_core.methods import METHODS, get_method
from bgrem_core.photometry import DEFAULT_FWHM
from bgrem_core.words import Words, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.inspection import Inspection
    from bgrem_core.methods import Method
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings
    from bgrem_core.truth import Match

__all__ = ["Collected"]


@dataclass(kw_only=True, eq=False)
class Collected:
    """What is known of the sources of one result.

    Attributes
    ----------
    separation : Separation
        The result.
    table : QTable or None
        What was found.
    clicked : list of Inspection
        What was clicked beside it.
    match : Match or None
        What is true of it, where the truth is known.
    truth : QTable or None
        What it was matched with.
    """

    separation: "Separation"
    table: "QTable | None" = None
    clicked: "list[Inspection]" = field(default_factory=list)
    match: "Match | None" = None
    truth: "QTable | None" = None

    @property
    def measured(self) -> "Separation":
        """The result with its catalogue, which knows the PSF better."""
        if self.table is None or self.separation.catalog is self.table:
            return self.separation
        if self._method is not None and self._method.listed:
            # What was found may be a part of what the method knows.
            return self.separation
        return dataclasses.replace(self.separation, catalog=self.table)

    @property
    def fwhm(self) -> float:
        """FWHM of the PSF, pixels."""
        meta = {} if self.table is None else self.table.meta
        separation = self.separation
        fwhm = meta.get("fwhm") or separation.image.fwhm or separation.scale.fwhm
        return float(fwhm) if isfinite(fwhm) and fwhm > 0 else DEFAULT_FWHM

    @property
    def flux_unit(self) -> str:
        """Unit of fluxes, "" if it is not known."""
        separation = self.separation
        method = self._method
        if method is None or method.measure is None:
            return separation.image.unit
        nowhere = np.zeros(0)
        unit = method.measure(separation, nowhere, nowhere)["flux"].unit
        return str(unit or "")

    @property
    def words(self) -> Words:
        """What the image, what is left and what was taken are called."""
        return words_of(self.separation)

    @property
    def _method(self) -> "Method | None":
        return METHODS.get(self.separation.provenance.method)

    @property
    def columns(self) -> tuple[tuple[str, str, int], ...]:
        """What the method adds to a table: name, title, decimals of each column."""
        return () if self._method is None else self._method.columns

    @property
    def positions(self) -> "NDArray[np.float64]":
        """Pixels of all sources, found and then clicked; shape (n, 2), x and y."""
        found = [] if self.table is None else [_xy(self.table)]
        clicked = np.array([(seen.x, seen.y) for seen in self.clicked], np.float64)
        return np.concatenate([*found, clicked.reshape(-1, 2)])

    def row_of(self, x: float, y: float) -> int | None:
        """Return the source within half a FWHM of a position, None without one."""
        at = self.positions
        if not len(at):
            return None
        away = np.nan_to_num(np.hypot(*(at - (x, y)).T), nan=np.inf)
        row = int(np.argmin(away))
        return row if away[row] <= self.fwhm / 2 else None

    def look(self, x: float, y: float) -> "Inspection":
        """Inspect the source nearest to a pixel.

        Raises
        ------
        UsageError
            The position lies outside the image.
        """
        return inspect(self.measured, x, y)

    def rows(self, seen: "Inspection") -> tuple[tuple[str, str], ...]:
        """Return what a window says of a source, that of the method included."""
        method = self._method
        if method is None or seen.listed is not None:
            return seen.rows()
        rows = method.inspect_rows(self.measured, seen.x, seen.y)
        # What a method measures itself stands in place of aperture values.
        return rows if method.measure else (*seen.rows(), *rows)

    def find(self, settings: "FindSettings") -> "QTable":
        """Search the result; takes its time."""
        method = get_method(self.separation.provenance.method)
        return method.find(self.separation, settings)

    def export(self, path: "str | Path") -> int:
        """Write what was found and clicked; the extension says how.

        Parameters
        ----------
        path : str or Path
            Replaced if it exists. Clicked sources are measured as the others are.

        Returns
        -------
        int
            Sources written.

        Raises
        ------
        UsageError
            There are none, or the extension is unknown.
        WriteError
            The file cannot be written.
        """
        from bgrem_core.catalog import find_writer, write_catalog

        find_writer(path)
        table = self.all_sources()
        write_catalog(table, path, overwrite=True)
        return len(table)

    def all_sources(self) -> "QTable":
        """Return what was found, then what was clicked, as one catalogue.

        Raises
        ------
        UsageError
            There are none.
        """
        from astropy.table import vstack

        tables = [] if self.table is None else [self.table]
        if self.clicked:
            more = self._clicked_table()
            if self.table is not None and len(self.table):
                more["id"] += int(np.max(self.table["id"]))
            tables.append(more)
        if not tables:
            raise UsageError(
                "there are no sources to export", hint="find or click some first"
            )
        if len(tables) == 1:
            return tables[0]
        whole: QTable = vstack(tables, metadata_conflicts="silent")
        whole.meta = dict(tables[0].meta)
        return whole

    def _clicked_table(self) -> "QTable":
        """Return what was clicked: as the method lists it, the rest as measured."""
        from astropy.table import vstack

        from bgrem_core.api import measure

        listed = [seen.listed for seen in self.clicked]
        rest = [seen for seen in self.clicked if seen.listed is None]
        known = self.separation.catalog
        if known is None or len(rest) == len(listed):
            return measure(self.measured, [s.x for s in rest], [s.y for s in rest])
        table = known[[one.row for one in listed if one is not None]]
        if rest:
            more = measure(self.measured, [s.x for s in rest], [s.y for s in rest])
            for name, *_ in self.columns:
                more[name] = np.full(len(more), np.nan)
            table = vstack([table, more], metadata_conflicts="silent")
            # In the order of the clicks.
            stars_first = np.argsort([one is None for one in listed], kind="stable")
            table = table[np.argsort(stars_first)]
        table["id"] = np.arange(1, len(table) + 1, dtype=np.int32)
        return table

    def compare(self, truth: "QTable") -> "Match":
        """Match what was found with what is true."""
        from bgrem_core.truth import match

        if self.table is None:
            raise UsageError("there are no sources yet", hint="find sources first")
        self.truth, self.match = truth, match(self.table, truth, fwhm=self.fwhm)
        return self.match


def _xy(table: "QTable") -> "NDArray[np.float64]":
    columns = [getattr(table[name], "value", table[name]) for name in ("x", "y")]
    return np.stack([np.asarray(c, np.float64) for c in columns], axis=1)
