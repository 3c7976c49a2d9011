"""Still: what stands in a widget's place where there is no kernel."""

import base64
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bgrem_core.display import BAD, COLOUR_MAPS, three_panel_bytes
from bgrem_core.truth import MISSED
from bgrem_core.words import words_of
from bgrem_notebook.table import frame_of

if TYPE_CHECKING:
    from astropy.table import QTable
    from PIL.Image import Image

    from bgrem_core.collected import Collected
    from bgrem_notebook.desk import Desk

__all__ = ["still_of"]

ROWS = 20
"""Rows of the table."""
WIDTH = 1000
"""Greatest width of the picture, pixels: it is stored twice with the notebook."""
_RINGS = ((86, 190, 255), (60, 200, 90), (245, 215, 50), (240, 70, 60))
_STEPS = {"grey": 4, "blue-white-orange": 8}
"""Every how many colours of a map are kept: noise in more of them makes large files."""


def still_of(desk: "Desk") -> dict[str, Any]:
    """Return a picture and a table of a desk, by MIME type.

    Parameters
    ----------
    desk : Desk
        With or without a result.

    Returns
    -------
    dict
        "image/png" and "text/html" once there is a result; texts of headers and file
        names are escaped.
    """
    separation, now = desk.separation, desk.collected
    if separation is None:
        return {}
    table = None if now is None else now.table
    picture = three_panel_bytes(separation, catalog=table, truth=_told(now))
    encoded = base64.b64encode(_small(picture)).decode("ascii")
    before, left, taken = (word.lower() for word in words_of(separation))
    caption = escape(f"{desk.name}: {before}, {left} and {taken}")
    parts = [
        f'<figure><img alt="{caption}" src="data:image/png;base64,{encoded}">',
        f"<figcaption>{caption}</figcaption></figure>",
    ]
    frame = frame_of(now)
    if len(frame):
        parts.append(frame.head(ROWS).to_html(index=False, border=0, na_rep=""))
        if len(frame) > ROWS:
            parts.append(f"<p>{ROWS} of {len(frame)} sources</p>")
    return {"image/png": encoded, "text/html": "\n".join(parts)}


def _told(now: "Collected | None") -> "QTable | None":
    """Return the true sources that count: those that the view tells of, too."""
    if now is None or now.truth is None or now.match is None:
        return None
    return now.truth[now.match.recovered | ~(now.match.snr < MISSED)]


def _small(picture: bytes) -> bytes:
    """Return a picture that may be stored with a notebook."""
    from PIL import Image

    with Image.open(BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    if image.width > WIDTH:
        height = round(image.height * WIDTH / image.width)
        image = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    shades = image.quantize(palette=_palette(), dither=Image.Dither.NONE)
    file = BytesIO()
    shades.save(file, "PNG", optimize=True)
    return file.getvalue()


def _palette() -> "Image":
    """Return the colours of the picture.

    Not those that are most frequent in it: rings would lose theirs to the noise, and a
    galaxy would get rings in the colours of the residual.
    """
    from PIL import Image

    colours = [list(colour) for colour in (*_RINGS, BAD[:3])]
    # Their edges, against the dark page.
    colours += [[int(0.6 * v) for v in colour] for colour in colours]
    for name, step in _STEPS.items():
        colours += COLOUR_MAPS[name][::step, :3].tolist()
    colours += colours[:1] * (256 - len(colours))
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in colours for value in colour])
    return palette
