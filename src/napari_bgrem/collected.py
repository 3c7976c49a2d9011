"""Collected: the sources of each result in a viewer, found and clicked."""

import dataclasses
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.errors import UsageError
from bgrem_core.inspection import inspect
from bgrem_core.methods import METHODS, get_method
from bgrem_core.photometry import DEFAULT_FWHM
from napari_bgrem.mark import mark_of, marked, newest

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.table import QTable
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.image import Image
    from bgrem_core.inspection import Inspection
    from bgrem_core.separation import Separation
    from bgrem_core.settings import FindSettings
    from bgrem_core.truth import Match
    from napari_bgrem.mark import Mark

__all__ = ["Collected", "key_of", "newest_result", "truth_of"]

TABLE = "table"
"""Key of the metadata of a layer with the truth: its catalogue."""


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
    """

    separation: "Separation"
    table: "QTable | None" = None
    clicked: "list[Inspection]" = field(default_factory=list)
    match: "Match | None" = None

    @property
    def measured(self) -> "Separation":
        """The result with its catalogue, which knows the PSF better."""
        if self.table is None or self.separation.catalog is self.table:
            return self.separation
        return dataclasses.replace(self.separation, catalog=self.table)

    @property
    def fwhm(self) -> float:
        """FWHM of the PSF, pixels."""
        meta = {} if self.table is None else self.table.meta
        separation = self.separation
        fwhm = meta.get("fwhm") or separation.image.fwhm or separation.scale.fwhm
        return float(fwhm) if isfinite(fwhm) and fwhm > 0 else DEFAULT_FWHM

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
        method = METHODS.get(self.separation.provenance.method)
        more = () if method is None else method.inspect_rows
        rows = more(self.separation, seen.x, seen.y) if more else ()
        return (*seen.rows(), *rows)

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
        table = self._all()
        write_catalog(table, path, overwrite=True)
        return len(table)

    def _all(self) -> "QTable":
        from astropy.table import vstack

        from bgrem_core.api import measure

        tables = [] if self.table is None else [self.table]
        if self.clicked:
            x, y = ([getattr(seen, name) for seen in self.clicked] for name in "xy")
            more = measure(self.measured, x, y)
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

    def compare(self, truth: "QTable") -> "Match":
        """Match what was found with what is true."""
        from bgrem_core.truth import match

        if self.table is None:
            raise UsageError("there are no sources yet", hint="find sources first")
        self.match = match(self.table, truth, fwhm=self.fwhm)
        return self.match


def key_of(mark: "Mark") -> tuple[int, str]:
    """Return what a result is known by: its strength may change meanwhile."""
    return id(mark.image), mark.run


def newest_result(viewer: "ViewerModel", image: "Image | None" = None) -> "Mark | None":
    """Return the mark of the newest result in a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are looked through.
    image : Image, optional
        Only results of this image.

    Returns
    -------
    Mark or None
        That of the cleaned layer, which comes and goes with its result. Runs that are
        numbered are compared by number, others by the place of their layers.
    """
    found = [
        layer
        for layer in marked(viewer, "cleaned")
        if (mark := mark_of(layer)) and mark.separation is not None
        if image is None or mark.image is image
    ]
    return mark_of(newest(found))


def truth_of(viewer: "ViewerModel", image: "Image | None") -> "QTable | None":
    """Return what is known to be in an image, from a layer of the role "truth"."""
    from astropy.table import QTable

    for layer in reversed(marked(viewer, "truth")):
        mark = mark_of(layer)
        if mark is None or mark.image is not image or image is None:
            continue
        table = layer.metadata.get(TABLE)
        return table if isinstance(table, QTable) else _from_points(layer)
    return None


def _from_points(layer: "Layer") -> "QTable":
    """Return points and their features as a catalogue."""
    from astropy.table import QTable

    points: Any = layer
    columns = {str(name): np.asarray(points.features[name]) for name in points.features}
    y, x = np.asarray(points.data, float)[:, -2:].T
    return QTable({**columns, "x": x, "y": y})
