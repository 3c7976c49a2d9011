"""Settings: each option is declared once, here or beside its method.

The command line, the napari dock and the notebook form are built from the fields of
these frozen dataclasses; `option` attaches what they need to know.
"""

from dataclasses import dataclass

from bgrem_core.errors import UsageError
from bgrem_core.options import option, validate


@dataclass(frozen=True, kw_only=True)
class OpenSettings:
    """How the door reads a file.

    Attributes
    ----------
    hdu : str or None
        Index or EXTNAME of the image HDU, "all", or None to choose.
    plane : str or None
        Plane of a cube, or "all".
    mask_ext : str or None
        HDU of the data-quality mask.
    dq_bits : str or None
        DQ bits that mask: "~4096,8" means all but those.
    saturation : float or None
        Level above which pixels are saturated.
    gain : float or None
        Electrons per image unit.
    error : str or None
        File or HDU with the noise sigma per pixel.
    fwhm : float or None
        FWHM of the PSF.
    zeropoint : float or None
        Magnitude zero point.
    strict : bool
        Refuse a file whose checksum is wrong.
    salvage : bool
        Keep what can be read of a file that is cut off or damaged; the rest is NaN.
    """

    hdu: str | None = option(
        default=None,
        help="image HDU: index, EXTNAME or 'all'",
        flags=("-i", "--hdu"),
    )
    plane: str | None = option(
        default=None, help="plane of a cube: index from 0, or 'all'"
    )
    mask_ext: str | None = option(default=None, help="HDU with the data-quality mask")
    dq_bits: str | None = option(
        default=None, help="DQ bits that mask, such as '1,64'; '~4096,8' ignores those"
    )
    saturation: float | None = option(
        default=None, help="pixels at or above this level are masked", unit="image unit"
    )
    gain: float | None = option(
        default=None,
        help="gain, effective for a stack",
        unit="e-/unit",
        range=(1e-30, 1e30),
    )
    error: str | None = option(
        default=None, help="file or HDU with the noise sigma per pixel"
    )
    fwhm: float | None = option(
        default=None, help="FWHM of the PSF", unit="pix", range=(0.5, 100)
    )
    zeropoint: float | None = option(
        default=None, help="magnitude of one image unit", unit="mag"
    )
    strict: bool = option(
        default=False,
        help="refuse a file whose CHECKSUM or DATASUM is wrong",
        steers=True,
    )
    salvage: bool = option(
        default=False,
        help="keep what can be read of a FITS file that is cut off or has damaged "
        "tiles; the rest is NaN and masked",
    )

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What every method needs to run; each method's settings extend it.

    Attributes
    ----------
    tile : int
        Side of a tile, margins included.
    margin : int or None
        Pixels read and thrown away on each side of a tile; None = the model's radius.
    device : str
        Where networks run.
    threads : int
        Threads of a network; 0 = one for each core.
    precision : str
        Of a network's arithmetic: "single", or "half" for bfloat16.
    seed : int
        Seed of everything that is drawn.
    mask_grow : int
        Pixels by which the mask is grown before anything is estimated.
    """

    tile: int = option(
        default=1024,
        help="side of a tile, margins included",
        unit="pix",
        range=(64, 16384),
        advanced=True,
    )
    margin: int | None = option(
        default=None,
        help="pixels read and dropped on each side of a tile",
        unit="pix",
        range=(0, 4096),
        advanced=True,
    )
    device: str = option(
        default="auto",
        help="where networks run",
        choices=("auto", "cpu", "cuda", "mps"),
        advanced=True,
        steers=True,
    )
    threads: int = option(
        default=0,
        help="threads of a network, 0 = one for each core",
        range=(0, 1024),
        advanced=True,
        steers=True,
    )
    precision: str = option(
        default="single",
        help="arithmetic of a network; half (bfloat16) is faster where the machine has "
        "it, and off by half a percent of the noise",
        choices=("single", "half"),
        advanced=True,
    )
    seed: int = option(
        default=0,
        help="seed of everything that is drawn",
        range=(0, 2**31 - 1),
        advanced=True,
    )
    mask_grow: int = option(
        default=0,
        help="grow the mask by this much",
        unit="pix",
        range=(0, 64),
        advanced=True,
    )

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """Processes over which files, or the tiles of one frame, are spread.

    Attributes
    ----------
    workers : int or None
        Processes to start on this machine; None = work in this one.
    scheduler : str or None
        Address of a dask scheduler that runs already.
    """

    workers: int | None = option(
        default=None,
        help="processes to start on this machine, one thread each, for several files "
        "or the tiles of one",
        range=(1, 1024),
    )
    scheduler: str | None = option(
        default=None,
        help="address of a dask scheduler whose workers do it, such as tcp://host:8786",
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.workers is not None and self.scheduler is not None:
            raise UsageError(
                "--workers starts workers here, --scheduler uses those elsewhere",
                hint="leave one of them out",
            )

    @property
    def wanted(self) -> bool:
        """Whether more than this process is to work."""
        return self.workers is not None or self.scheduler is not None


@dataclass(frozen=True, kw_only=True)
class FindSettings:
    """How sources are found; the one home of detection's numbers.

    Attributes
    ----------
    threshold : float or None
        Least peak on the flattened cleaned image, in sigma of the input's noise per
        pixel; None = the model card's value for this noise.
    deep : bool
        About ten false detections per Mpix instead of at most one.
    flatten : int
        Mesh on which the detection image is flattened.
    filter : bool or None
        Convolve with the PSF before searching; None = as the method needs.
    minarea : int
        Least number of connected pixels above the threshold.
    deblend : float
        Least depth of the saddle between two sources, as a share of the depth that two
        stars of their heights would leave at that distance.
    on : str
        What is searched: "light", the cleaned image; "centres", the map of a network
        that tells where sources have their centres; "auto": centres where there are
        any, unless a threshold or a filter is set by hand, which belong to the light.
    min_snr : float or None
        Least forced S/N on the photometric plane; None = 5, or none when deep.
    """

    threshold: float | None = option(
        default=None,
        help="detection threshold; default: the model card's",
        unit="sigma",
        range=(0.01, 1e6),
        flags=("--threshold",),
    )
    deep: bool = option(
        default=False,
        help="go deeper: about ten false detections per Mpix",
        flags=("--deep",),
    )
    flatten: int = option(
        default=64,
        help="mesh for flattening the detection image",
        unit="pix",
        range=(8, 4096),
        advanced=True,
    )
    filter: bool | None = option(
        default=None, help="convolve with the PSF before searching", advanced=True
    )
    minarea: int = option(
        label="Least area",
        default=3,
        help="least number of pixels of a source",
        unit="pix",
        range=(1, 10000),
        advanced=True,
    )
    deblend: float = option(
        default=0.4,
        help="least depth of the saddle between sources, "
        "as a share of what two stars would leave",
        range=(0, 1),
        advanced=True,
    )
    on: str = option(
        label="Find on",
        default="auto",
        help="search the light of the cleaned image, or the centres that a network "
        "tells",
        choices=("auto", "light", "centres"),
        advanced=True,
    )
    min_snr: float | None = option(
        label="Least S/N",
        default=None,
        help="least forced S/N",
        range=(0, 1e6),
        advanced=True,
    )

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """Where results are written and what they hold.

    Attributes
    ----------
    output : str or None
        Folder; None = beside the input.
    prefix : str
        Put before the input's name.
    layers : bool
        Write every part as an HDU of its own.
    catalog : str or None
        Catalogue file, or a bare extension such as ".ecsv".
    clip : bool
        Raise negative pixels of the written image to zero.
    overwrite : bool
        Replace what is there.
    report : str or None
        JSON file that tells what became of each input.
    resume : bool
        Keep finished tiles beside the output, and go on with those of a run that was
        interrupted.
    """

    output: str | None = option(
        default=None,
        help="folder for the results; default: beside the input",
        flags=("-o", "--output"),
        steers=True,
    )
    prefix: str = option(
        default="BGRem_",
        help="put before the input's name",
        flags=("-p", "--prefix"),
        steers=True,
    )
    layers: bool = option(default=False, help="write every part as an HDU of its own")
    catalog: str | None = option(
        default=None,
        help="write a catalogue: a file name, or .ecsv .csv .fits .vot .reg",
        steers=True,
    )
    clip: bool = option(
        default=False, help="raise negative pixels of the cleaned image to zero"
    )
    overwrite: bool = option(
        default=False, help="replace results that exist", steers=True
    )
    report: str | None = option(
        default=None,
        help="JSON file that tells, as the run goes on, what became of each input",
        steers=True,
    )
    resume: bool = option(
        default=False,
        help="keep finished tiles beside the output; go on where an interrupted run "
        "stopped",
        steers=True,
    )

    def __post_init__(self) -> None:
        validate(self)
