"""Canvas: the picture that a figure is drawn on, with pillow."""

from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bgrem_core.display._colour import to_rgba
from bgrem_core.display._compass import Direction
from bgrem_core.display._rings import Line, Rings
from bgrem_core.display._scale import Limits

Colour = tuple[int, int, int]
Place = tuple[float, float]

_PAGE: Colour = (18, 20, 26)
_TEXT: Colour = (236, 238, 242)
_SOFT: Colour = (160, 168, 180)
_WHITE: Colour = (255, 255, 255)
#: Lines are drawn this much larger and shrunk, which smooths them.
_FINE = 3
#: Lengths of the scale bar.
_PIXELS = tuple(m * 10**p for p in range(5) for m in (1, 2, 5))
_ARCSECONDS = tuple(m * unit for unit in (1, 60, 3600) for m in (1, 2, 5, 10, 20, 30))


@dataclass(frozen=True, slots=True)
class Box:
    """Where a panel's pixels lie: left, top, width and height."""

    left: int
    top: int
    width: int
    height: int


class Canvas:
    """A page with room for three panels, a heading, colour bars and notes.

    Parameters
    ----------
    size : tuple of int
        Width and height of a panel's pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        # Letters grow with the panels, so that the page looks alike at any size.
        self._em = em = max(15, round(max(size) / 33))
        self._column = max(size[0], 20 * em)
        self._gap = round(1.4 * em)
        self._top = round(6.9 * em)
        width = 3 * self._column + 4 * self._gap
        height = self._top + size[1] + round(7.9 * em)
        self._page = Image.new("RGB", (width, height), _PAGE)
        self._pen = ImageDraw.Draw(self._page)

    def save(self, file: IO[bytes]) -> None:
        """Write the page as PNG."""
        self._page.save(file, format="PNG", optimize=True)

    def heading(self, title: str, line: str) -> None:
        """Write what the page shows."""
        em = self._em
        self._write((self._gap, 0.9 * em), title, 1.5, _TEXT)
        self._write((self._gap, 2.9 * em), line, 0.85, _SOFT)

    def footnote(self, text: str) -> None:
        """Write one line at the bottom."""
        self._write((self._gap, self._page.height - 1.9 * self._em), text, 0.8, _SOFT)

    def panel(self, index: int, title: str, subtitle: str) -> Box:
        """Open the panel of a column, with its title."""
        em = self._em
        left = self._gap + index * (self._column + self._gap)
        inset = (self._column - self._size[0]) // 2
        self._write((left, 4.7 * em), title, 1.2, _TEXT)
        reach = left + self._pen.textlength(title, self._font(1.2)) + 0.7 * em
        self._write((reach, 5.05 * em), subtitle, 0.85, _SOFT)
        return Box(left + inset, self._top, *self._size)

    def pixels(
        self,
        box: Box,
        block: NDArray[Any],
        limits: Limits,
        stretch: str,
        cmap: str,
        enlarged: int,
    ) -> None:
        """Paint an array into a panel, row 0 at the bottom."""
        rgb = to_rgba(block[::-1], limits, stretch, cmap)[..., :3]
        picture = Image.fromarray(rgb.repeat(enlarged, 0).repeat(enlarged, 1))
        self._page.paste(picture, (box.left, box.top))

    def rings(self, box: Box, ring: Rings, places: list[Place], radius: float) -> None:
        """Draw rings round places of a panel."""
        radius = max(radius, 0.45 * self._em)
        paint = _Overlay((box.width, box.height), line=0.11 * self._em)
        for place in places:
            paint.circle(place, radius, ring.colour, ring.line)
        self._lay(paint, (box.left, box.top))

    def legend(self, box: Box, rings: tuple[Rings, ...]) -> None:
        """Explain the rings under their panel."""
        em = self._em
        left, top = float(box.left), box.top + box.height + 3.6 * em
        for ring in rings:
            paint = _Overlay((round(1.3 * em), round(1.3 * em)), line=0.11 * em)
            paint.circle((0.6 * em, 0.65 * em), 0.48 * em, ring.colour, ring.line)
            self._lay(paint, (round(left), round(top)))
            self._write((left + 1.5 * em, top + 0.18 * em), ring.label, 0.9, _TEXT)
            left += 2.6 * em + self._pen.textlength(ring.label, self._font(0.9))

    def bar(
        self,
        box: Box,
        limits: Limits,
        stretch: str,
        cmap: str,
        marks: list[tuple[float, str]],
        unit: str,
    ) -> None:
        """Draw a colour bar under a panel, evenly in colour."""
        em, (low, high) = self._em, limits
        top = box.top + box.height + round(0.6 * em)
        tall, wide = round(0.55 * em), min(box.width, round(17 * em))
        values = np.linspace(low, high, 4096)
        shades = to_rgba(values[None], limits, stretch, "grey")[0, :, 0]
        even = np.interp(np.linspace(0, 255, wide), shades, values)
        strip = to_rgba(even[None], limits, stretch, cmap)[..., :3].repeat(tall, 0)
        self._page.paste(Image.fromarray(strip), (box.left, top))
        right = float("-inf")
        for value, label in marks:
            at = box.left + float(np.interp(value, values, shades)) / 255 * wide
            half = self._pen.textlength(label, self._font(0.75)) / 2
            middle = min(max(at, box.left + half), box.left + wide - half)
            if middle - half < right + 0.4 * em:
                continue
            self._write((middle - half, top + 0.8 * em), label, 0.75, _SOFT)
            right = middle + half
        self._write((box.left, top + 1.85 * em), unit, 0.75, _SOFT)

    def scale_bar(self, box: Box, zoom: float, arcsec: float | None) -> None:
        """Draw a length of the sky, or of the frame, into a panel."""
        em, each = self._em, zoom / (arcsec or 1)
        lengths = _PIXELS if arcsec is None else _ARCSECONDS
        fitting = [n for n in lengths if n * each <= box.width / 4]
        length = fitting[-1] if fitting else 1
        label = f"{length} px" if arcsec is None else _angle(length)
        wide = self._pen.textlength(label, self._font(0.85))
        paint = _Overlay((box.width, box.height), line=0.16 * em)
        y, x = box.height - 1.0 * em, 0.9 * em
        span = max(length * each, wide)
        paint.shade((x - 0.4 * em, y - 1.6 * em), (x + span + 0.4 * em, y + 0.5 * em))
        paint.line((x, y), (x + length * each, y), _WHITE)
        self._lay(paint, (box.left, box.top))
        spot = (box.left + x, box.top + y - 1.35 * em)
        self._write(spot, label, 0.85, _WHITE)

    def compass(self, box: Box, ways: tuple[Direction, Direction] | None) -> None:
        """Draw arrows to north and east into a panel's lower right."""
        if ways is None:
            return
        em = self._em
        length, room = 1.6 * em, 1.9 * em
        # The patch is centred on the angle that the arrows make, not on their start.
        middle = (box.width - room - 0.35 * em, box.height - room - 0.35 * em)
        right, up = (length / 2 * (n + e) for n, e in zip(*ways, strict=True))
        centre = (middle[0] - right, middle[1] + up)
        paint = _Overlay((box.width, box.height), line=0.13 * em)
        paint.shade(
            (middle[0] - room, middle[1] - room), (middle[0] + room, middle[1] + room)
        )
        for way in ways:
            paint.arrow(centre, way, length, _WHITE)
        self._lay(paint, (box.left, box.top))
        for (right, up), letter in zip(ways, "NE", strict=True):
            x = box.left + centre[0] + right * (length + 0.45 * em)
            y = box.top + centre[1] - up * (length + 0.45 * em)
            self._pen.text((x, y), letter, _WHITE, self._font(0.75), anchor="mm")

    def _font(self, size: float) -> Any:
        return ImageFont.load_default(size * self._em)

    def _write(self, place: Place, text: str, size: float, colour: Colour) -> None:
        """Write a line, with an ellipsis where the page ends."""
        font = self._font(size)
        room = self._page.width - self._gap - place[0]
        if self._pen.textlength(text, font) > room:
            while text and self._pen.textlength(f"{text}...", font) > room:
                text = text[:-1]
            text = f"{text}..."
        self._pen.text(place, text, colour, font)

    def _lay(self, paint: "_Overlay", corner: tuple[int, int]) -> None:
        smooth = paint.smooth()
        self._page.paste(smooth, corner, smooth)


class _Overlay:
    """Smooth lines over a part of the page."""

    def __init__(self, size: tuple[int, int], *, line: float) -> None:
        self._size = size
        # Clear but white, so that the rims of lines do not darken.
        big = (size[0] * _FINE, size[1] * _FINE)
        self._image = Image.new("RGBA", big, (255, 255, 255, 0))
        self._pen = ImageDraw.Draw(self._image)
        self._line = max(1, round(line * _FINE))

    def smooth(self) -> Image.Image:
        return self._image.resize(self._size, Image.Resampling.BOX)

    def shade(self, corner: Place, other: Place) -> None:
        """Darken a patch, so that white lines are seen on a bright star too."""
        box = (*_fine(corner), *_fine(other))
        self._pen.rounded_rectangle(box, radius=3 * self._line, fill=(0, 0, 0, 150))

    def line(self, start: Place, end: Place, colour: Colour) -> None:
        self._pen.line([_fine(start), _fine(end)], fill=colour, width=self._line)

    def circle(self, place: Place, radius: float, colour: Colour, line: Line) -> None:
        x, y = _fine(place)
        r = radius * _FINE
        box = (x - r, y - r, x + r, y + r)
        pieces = {"solid": 1, "dashed": 8, "dotted": 16}[line]
        step = 360 / pieces
        drawn = {"solid": 360.0, "dashed": 0.62 * step, "dotted": 0.42 * step}[line]
        for k in range(pieces):
            self._pen.arc(box, k * step, k * step + drawn, colour, self._line)

    def arrow(
        self, start: Place, way: Direction, length: float, colour: Colour
    ) -> None:
        right, up = way
        end = (start[0] + right * length, start[1] - up * length)
        self.line(start, end, colour)
        side = 0.22 * length
        base = (end[0] - right * 2 * side, end[1] + up * 2 * side)
        corners = [
            (end[0] + right * side / 2, end[1] - up * side / 2),
            (base[0] + up * side, base[1] + right * side),
            (base[0] - up * side, base[1] - right * side),
        ]
        self._pen.polygon([_fine(c) for c in corners], fill=colour)


def _fine(place: Place) -> tuple[float, float]:
    return place[0] * _FINE, place[1] * _FINE


def _angle(arcsec: int) -> str:
    if arcsec % 3600 == 0:
        return f"{arcsec // 3600} deg"
    return f"{arcsec // 60} arcmin" if arcsec % 60 == 0 else f"{arcsec} arcsec"
