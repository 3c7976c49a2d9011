"""Still: what stands in a widget's place where there is no kernel."""

import base64
from html import escape
from typing import TYPE_CHECKING, Any

from bgrem_core.display import three_panel_bytes
from bgrem_notebook.table import frame_of

if TYPE_CHECKING:
    from bgrem_notebook.desk import Desk

__all__ = ["still_of"]

ROWS = 20
"""Rows of the table."""


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
    truth = None if now is None else now.truth
    picture = three_panel_bytes(separation, catalog=table, truth=truth)
    encoded = base64.b64encode(picture).decode("ascii")
    caption = escape(f"{desk.name}: original, cleaned and residual")
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
