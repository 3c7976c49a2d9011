"""Method: what a way of separating an image must offer."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgrem_core.image import Image
from bgrem_core.progress import Progress
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings, OpenSettings, RunSettings
from bgrem_core.strength import STRENGTH, Slider

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import QTable
    from numpy.typing import NDArray

    from bgrem_core.inspection import Listed
    from bgrem_core.steps import Steps

Iterate = Callable[[Image, Any], Generator[Progress, Any, Separation]]
Resume = Callable[[Image, Any, Path], Generator[Progress, Any, Separation]]
Find = Callable[[Separation, FindSettings], "QTable"]
Segments = Callable[[Separation, FindSettings], "tuple[QTable, NDArray[np.int32]]"]
Record = Callable[[Image, Any], "Steps"]
Rows = Callable[[Separation, float, float], tuple[tuple[str, str], ...]]
Measure = Callable[[Separation, "NDArray[np.float64]", "NDArray[np.float64]"], "QTable"]
Lines = Callable[[Separation, FindSettings], tuple[str, ...]]
Opening = Callable[[Path, OpenSettings], OpenSettings]
Known = Callable[[Separation, float, float], "Listed | None"]
Other = Callable[[Any], RunSettings]
Centre = Callable[[Separation, float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way of separating an image into what is kept and what is taken away.

    Attributes
    ----------
    name : str
        Key in METHODS and word on the command line.
    label : str
        What a person reads.
    settings : type
        Frozen dataclass that extends `RunSettings`.
    panels : tuple of str
        What the image, what is left of it and what was taken are called wherever a
        window names them, such as ("Original", "Cleaned", "Residual").
    iterate : callable
        ``iterate(image, settings)`` yields `Progress` and returns a `Separation`. It
        may be sent the block that somebody looks at, whose tiles then come first; the
        result does not depend on it.
    find : callable
        ``find(separation, find_settings)`` gives the catalogue.
    find_segments : callable or None
        The same, and the id of the source on its pixels, for the SEGM layer.
    inspect_rows : callable
        ``inspect_rows(separation, x, y)`` gives (label, text) pairs that a window adds
        to what it shows of the clicked source; with `measure` it shows them instead.
    parts : tuple of str
        Names of the parts that are taken away.
    scale_free : bool
        The result for c times the image is c times the result.
    takes_stack : bool
        `iterate` takes a `Stack` as a whole.
    record : callable or None
        ``record(image, settings)`` gives the `Steps` of a small cut-out, for those who
        want to watch the method at work.
    measure : callable or None
        ``measure(separation, x, y)`` gives rows of the catalogue at given places, in
        place of what apertures and PSF of the frame say.
    assumed : callable or None
        ``assumed(separation, find_settings)`` gives the lines that the command prints
        of what was assumed, in place of those on noise, PSF and sky.
    columns : tuple of (str, str, int)
        What it adds to the catalogue and a window's table shows: name, title, decimals.
    opening : callable or None
        ``opening(path, open_settings)`` gives how a file is opened for this method.
    centre : callable or None
        ``centre(separation, x, y)`` gives the centre of the source that was clicked,
        better than the maximum of the smoothed image.
    listed : callable or None
        ``listed(separation, x, y)`` gives what the method itself knows of the source
        that was clicked, such as a star that it took away; a window shows that in place
        of what an aperture says. It gives None where the method knows of no source.
    slider : Slider
        What the windows call the share of what is taken away.
    takes_light : bool
        What it takes away is light of sources, to be looked at as a picture is: in
        colour it stands on black, not on grey.
    quick : callable or None
        ``quick(settings)`` gives the settings of a preview, where those of a run would
        take too long.
    least : callable or None
        ``least(settings)`` gives the settings of a run of which nobody will see more
        than the image, where the usual ones compute more.
    resume : callable or None
        ``resume(image, settings, folder)`` does what `iterate` does, to the bit, and
        keeps finished tiles in a folder: a later call does not do those again.
    """

    name: str
    label: str
    settings: type[RunSettings]
    panels: tuple[str, str, str]
    iterate: Iterate
    find: Find
    inspect_rows: Rows
    parts: tuple[str, ...]
    scale_free: bool = True
    takes_stack: bool = False
    find_segments: Segments | None = None
    record: Record | None = None
    measure: Measure | None = None
    assumed: Lines | None = None
    columns: tuple[tuple[str, str, int], ...] = ()
    opening: Opening | None = None
    centre: Centre | None = None
    quick: Other | None = None
    least: Other | None = None
    listed: Known | None = None
    slider: Slider = STRENGTH
    takes_light: bool = False
    resume: Resume | None = None
