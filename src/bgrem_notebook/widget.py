"""Widget: the viewer, the table of sources under it, and what scripts do with both."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from bgrem_core.api import make_settings
from bgrem_core.errors import UsageError
from bgrem_core.settings import FindSettings
from bgrem_notebook.still import still_of
from bgrem_notebook.table import make_table, update_table
from bgrem_notebook.viewer import Viewer

if TYPE_CHECKING:
    from astropy.table import QTable

    from bgrem_core.api import Result
    from bgrem_core.image import Opened
    from bgrem_core.inspection import Inspection

__all__ = ["BGRemWidget"]


class BGRemWidget(ipywidgets.VBox):
    """An image in a cell: seen, separated, compared and measured.

    Parameters
    ----------
    image : path, ndarray, NDData, CCDData, HDU, Image or Stack
        As for `bgrem_core.open_image`.
    method : str, optional
        A key of METHODS.
    **settings
        Fields of that method's settings, and of `OpenSettings` for how the image is
        read.

    Attributes
    ----------
    strength : float
        Share of the noise that is taken away, as it is shown; may be linked.
    busy : str
        What is at work, "" for nothing; to be observed.
    progress : float
        Share of it that is done.
    selected : int
        Row of the source that is inspected, -1 for none.
    n_sources : int
        Rows of the table.

    Raises
    ------
    BGRemError
        The image cannot be opened, or a setting does not exist.
    """

    strength = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True)
    busy = traitlets.Unicode("").tag(sync=True)
    progress = traitlets.Float(0.0).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)
    n_sources = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, image: object, *, method: str = "bgrem", **settings: Any
    ) -> None:
        from bgrem_core.api import split_settings
        from bgrem_core.methods import get_method

        opening, running = split_settings(get_method(method), settings)
        self.viewer = Viewer()
        self.table = make_table()
        # A wide table is scrolled here: its own scrolling parts the head from the rows.
        self._bg_box = ipywidgets.VBox([self.table])
        self._bg_box.layout.overflow = "auto hidden"
        self._bg_box.layout.display = "none"
        super().__init__([self.viewer, self._bg_box])
        self._bg_desk = desk = self.viewer.desk
        desk.session.method, desk.session.settings = method, running
        self.strength = getattr(running, "strength", 1.0)
        traitlets.link((self, "strength"), (self.viewer, "strength"))
        desk.listed.connect(self._bg_list)
        desk.chosen.connect(self._bg_chosen)
        desk.moved.connect(self._bg_moved)
        desk.ended.connect(self._bg_ended)
        self.table.observe(self._bg_row, "selected_rows")
        desk.open(image, opening)

    # What there is.

    @property
    def image(self) -> "Opened | None":
        """What is worked on; None while it is being read."""
        return self._bg_desk.session.image

    @property
    def result(self) -> "Result | None":
        """The last result, at the strength that is shown."""
        return self._bg_desk.result

    @property
    def sources(self) -> "QTable | None":
        """What was found in the result and clicked beside it; None without any."""
        now = self._bg_desk.collected
        if now is None or not (now.table is not None or now.clicked):
            return None
        # A copy: who sorts it must not sort what the rings and the rows belong to.
        return now.all_sources().copy()

    @property
    def inspected(self) -> "Inspection | None":
        """What was last inspected, by a click, a row or `inspect`."""
        return self._bg_desk.inspected

    # What is done.

    def run(self, *, wait: bool = False) -> None:
        """Run the method over the whole image.

        Parameters
        ----------
        wait : bool, optional
            Return when it is done.

        Raises
        ------
        BGRemError
            Something is at work already, or, with `wait`, what went wrong.
        """
        self._bg_desk.run()
        self._bg_wait(wait=wait)

    def preview(self, rows: slice, cols: slice, *, wait: bool = False) -> None:
        """Run the method over a rectangle, with the noise of the whole frame.

        Parameters
        ----------
        rows, cols : slice
            Pixels, 0-based.
        wait : bool, optional
            Return when it is done.
        """
        self._bg_desk.preview((rows, cols))
        self._bg_wait(wait=wait)

    def find(self, *, wait: bool = True, **settings: Any) -> "QTable | None":
        """Search the result for sources.

        Parameters
        ----------
        wait : bool, optional
            Return when it is done.
        **settings
            Fields of `FindSettings`.

        Returns
        -------
        QTable or None
            The sources; None without `wait`.
        """
        desk = self._bg_desk
        desk.need()
        desk.session.find_settings = make_settings(FindSettings, settings)
        desk.find()
        self._bg_wait(wait=wait)
        return self.sources if wait else None

    def inspect(self, x: float, y: float) -> None:
        """Inspect the source nearest to a pixel, as a click does."""
        self._bg_desk.look(x, y)

    def cancel(self) -> None:
        """Stop what is at work; what was done stays to be seen."""
        self._bg_desk.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is at work; False if `timeout` seconds passed before."""
        return self._bg_desk.session.wait(timeout)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result, with all its layers if it goes into a FITS file.

        Parameters
        ----------
        path : str or Path
            A .fits, .fit, .fts, .tif or .tiff.
        overwrite : bool, optional
            Replace a file that exists.

        Returns
        -------
        Path
            What was written.
        """
        from bgrem_core.io import write

        self._bg_desk.need()
        result, target = self.result, Path(path).expanduser()
        layers = target.suffix.lower() in (".fits", ".fit", ".fts")
        return write(result, target, layers=layers, overwrite=overwrite)  # type: ignore[arg-type]

    def export(self, path: str | Path, *, overwrite: bool = False) -> int:
        """Write the sources; the extension says how. Returns how many."""
        from bgrem_core.catalog import write_catalog

        table = self.sources
        if table is None:
            raise UsageError("there are no sources", hint="find or click some first")
        write_catalog(table, Path(path).expanduser(), overwrite=overwrite)
        return len(table)

    def as_python(self) -> str:
        """Return a script that gives the same result."""
        return self._bg_desk.as_python()

    def to_cell(self) -> None:
        """Put that script into a new cell.

        Raises
        ------
        UsageError
            There is no notebook.
        """
        from IPython import get_ipython

        shell = get_ipython()
        if shell is None:
            raise UsageError("there is no notebook", hint="use as_python()")
        shell.set_next_input(self.as_python())

    def close(self) -> None:
        """Stop what is at work, and leave the page."""
        # Also called for one that could not be made.
        for part in (getattr(self, "viewer", None), getattr(self, "table", None)):
            if part is not None:
                part.close()
        super().close()

    # How it hangs together.

    def _bg_wait(self, *, wait: bool) -> None:
        if not wait:
            return
        desk = self._bg_desk
        desk.session.wait()
        if desk.session.error is not None:
            raise desk.session.error

    def _bg_list(self) -> None:
        now = self._bg_desk.collected
        update_table(self.table, now)
        self.n_sources = 0 if now is None else len(now.positions)
        self._bg_box.layout.display = None if self.n_sources else "none"

    def _bg_chosen(self, row: int | None) -> None:
        self.selected = -1 if row is None else row
        wanted = [] if row is None else [row]
        if self.table.selected_rows != wanted:
            self.table.selected_rows = wanted

    def _bg_row(self, change: Any) -> None:
        rows = change["new"]
        if len(rows) == 1 and rows[0] != self.selected:
            self._bg_desk.choose_row(rows[0])

    def _bg_moved(self, busy: str, share: float) -> None:
        self.busy, self.progress = busy, share

    def _bg_ended(self, busy: str) -> None:
        del busy
        self.busy, self.progress = "", 0.0

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        made = super()._repr_mimebundle_(**kwargs)
        bundle, *rest = made if isinstance(made, tuple) else (made,)
        bundle = {**(bundle or {}), **still_of(self._bg_desk)}
        return (bundle, *rest) if rest else bundle
