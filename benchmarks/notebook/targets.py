"""What the notebook widget is held to, and how a measurement is told beside it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One figure.

    Attributes
    ----------
    what : str
        In words.
    most : float
        It must stay below.
    unit : str
        Of both.
    """

    what: str
    most: float
    unit: str


TARGETS = {
    **{
        f"click_error.{host}": Target(f"click, worst of 9: {host}", 0.01, "pix")
        for host in ("lab", "notebook", "voila")
    },
    **{
        f"click_to_label.{host}": Target(f"click to numbers: {host}", 300, "ms")
        for host in ("lab", "notebook", "voila")
    },
    "strength_to_redraw": Target("strength to redraw, 2048 x 2048", 600, "ms"),
    "strength_to_redraw_large": Target(
        "strength to redraw, 10560 x 10560, the visible part cleaned", 1500, "ms"
    ),
    "pan_p50": Target("frame of a pan, three panels, median", 8, "ms"),
    "pan_p95": Target("frame of a pan, three panels, 95 %", 40, "ms"),
    "bytes_of_result": Target("sent for a 2048 x 2048 result, per pixel", 2.1, "bytes"),
    "bytes_of_strength": Target("sent for 8 changes of strength", 20e3, "bytes"),
    "large_first_tiles": Target("10560 x 10560: call to first tiles, kernel", 3, "s"),
    "large_first_picture": Target("10560 x 10560: call to first picture, page", 3, "s"),
    "large_sharp": Target("10560 x 10560: pan at full size to sharp", 1, "s"),
    "cancel_beyond_tile": Target("Cancel to idle, beyond the tile at work", 200, "ms"),
    "cancel_beyond_tile_busy": Target(
        "the same while another cell runs", 500, "ms"
    ),
    "reload": Target("reload of the page to the picture", 5, "s"),
    "notebook_size": Target("saved notebook with picture and table", 1000, "kB"),
    "notebook_state": Target("its state of widgets, pixels", 0, "kB"),
    "strangers": Target("requests to other hosts, all three", 0, ""),
    "errors": Target("errors of the console, all three", 0, ""),
    "sky_sip": Target("RA, Dec of the readout against astropy: SIP", 0.01, "arcsec"),
    "sky_tan": Target("the same: TAN", 0.01, "arcsec"),
    "sky_tpv": Target("the same: TPV", 0.01, "arcsec"),
    "sky_text": Target("RA, Dec as the page writes it", 0.15, "arcsec"),
    "import": Target("import of the viewer, beyond that of Python", 0.6, "s"),
    "torch_imported": Target("torch loaded by that import", 0, ""),
}  # fmt: skip
"""By the names of the measurements, in the order of the table."""


def table(measured: dict[str, float], note: Callable[[], str]) -> str:
    """Return the table of all targets as Markdown."""
    rows = ["| what | target | measured | |", "| --- | --- | --- | --- |"]
    for name, target in TARGETS.items():
        value = measured.get(name)
        said = "not measured" if value is None else _said(value, target.unit)
        met = "" if value is None else "met" if value <= target.most else "**missed**"
        limit = f"≤ {target.most:g} {target.unit}".rstrip()
        rows.append(f"| {target.what} | {limit} | {said} | {met} |")
    text = "# The notebook widget: what it is held to\n\n"
    return f"{text}{note()}\n\n" + "\n".join(rows) + "\n"


def _said(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip() if value < 1000 else f"{value:.0f} {unit}"
