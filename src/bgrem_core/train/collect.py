"""Raw frames of a user, read through the door: cut out, split, listed."""

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bgrem_core.errors import BGRemError, ReadError, UsageError, WriteError
from bgrem_core.image import Image, Stack
from bgrem_core.io import open_all
from bgrem_core.io.container import open_container
from bgrem_core.settings import OpenSettings
from bgrem_core.train import cache
from bgrem_core.train.cuts import Frame, cut_frame
from bgrem_core.train.frames import CUTS, LIST, FrameData

__all__ = ["LEAST", "collect"]

_log = logging.getLogger(__name__)

LEAST = 6
"""Fewest exposures: two are held out, and one is not enough to learn from."""
_HELD = 2
_FAR = 3.0
"""Ratio of the white noise to the median of all frames from which it is told."""
_FEW_PIXELS = 3e6
_SILENCE = 20.0
_NAMED = 5


@dataclass(slots=True)
class _Skipped:
    """What is left out, by reason, told at the end."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, why: str, name: str) -> None:
        self.names.setdefault(why, []).append(name)

    def tell(self) -> None:
        for why, names in self.names.items():
            _log.info("left out, %s: %s", why, _some(names))


def collect(
    sources: Sequence[Path], data: FrameData, folder: Path, *, write: bool
) -> FrameData:
    """Read frames, and leave cut-outs of them and a list in the folder of a run.

    Parameters
    ----------
    sources : sequence of pathlib.Path
        Files, and folders of which every FITS file is taken.
    data : FrameData
        How they are split and cut.
    folder : pathlib.Path
        Of the run.
    write : bool
        False to find out what the frames are, and leave nothing.

    Returns
    -------
    FrameData
        With numbers, digest and noise of the frames.

    Raises
    ------
    ReadError
        A file or folder is missing.
    UsageError
        Too few frames can be used.
    WriteError
        The folder cannot be written.
    """
    skipped = _Skipped()
    files = list(_files(sources, skipped))
    key = _key(files, data)
    listed = _known(folder, key)
    if listed is None:
        frames = list(_read(files, data, folder if write else None, skipped))
        skipped.tell()
        listed = {"key": key, **_split(frames, data)}
        _tell(frames, data)
        if write:
            _write(folder / LIST, listed)
    held = [frame["held_out"] for frame in listed["frames"]]
    white = [f["white"] for f in listed["frames"] if not f["held_out"]]
    low, high = np.percentile(white, (5, 95))
    return dataclasses.replace(
        data,
        frames=held.count(False),
        held_out=held.count(True),
        digest=listed["digest"],
        white=(round(float(low), 3), round(float(high), 3)),
    )


def _files(sources: Sequence[Path], skipped: _Skipped) -> Iterator[Path]:
    """Yield each file once; of a folder those that are FITS."""
    seen = set()
    for source in sources:
        if not source.exists():
            raise ReadError(f"there is no {source}", "name files or folders of frames")
        inside = sorted(source.iterdir()) if source.is_dir() else [source]
        for path in inside:
            if path.is_dir() or path.name.startswith("."):
                continue
            if source.is_dir() and not _is_fits(path):
                skipped.add("not FITS", path.name)
                continue
            if (own := path.resolve()) not in seen:
                seen.add(own)
                yield path


def _is_fits(path: Path) -> bool:
    try:
        with open_container(path) as container:
            return container.format == "fits"
    except BGRemError:
        return False


def _key(files: Sequence[Path], data: FrameData) -> str:
    """Return a name for files and settings, by which they are known again."""
    states = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return cache.key(
        states, data.share, data.split_seed, data.cut, data.cuts, data.crop
    )


def _known(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the list that is there, if it is of these files and whole."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        names = [name for frame in listed["frames"] for name in frame["cuts"]]
        whole = all((folder / CUTS / name).is_file() for name in names)
        return dict(listed) if whole and listed["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(
    files: Sequence[Path], data: FrameData, folder: Path | None, skipped: _Skipped
) -> Iterator[Frame]:
    _log.info("reading %d files ...", len(files))
    told = time.monotonic()
    seen: dict[str, str] = {}
    most = max(1, data.cuts // max(len(files), 1))
    for number, path in enumerate(files):
        for plane, image, name in _images(path, skipped):
            frame = cut_frame(image, name, (number, plane), data, most, folder)
            if isinstance(frame, str):
                skipped.add(frame, name)
                continue
            if frame.digest in seen:
                skipped.add(f"equal to {seen[frame.digest]}", name)
                continue
            seen[frame.digest] = name
            yield frame
        if time.monotonic() - told > _SILENCE:
            told = time.monotonic()
            _log.info("read %d of %d files", number + 1, len(files))


def _images(path: Path, skipped: _Skipped) -> Iterator[tuple[int, Image, str]]:
    """Yield the planes of a file, with their numbers and names."""
    try:
        opened = open_all(path, OpenSettings(plane="all"))
    except BGRemError as error:
        skipped.add(error.sentence, path.name)
        return
    for one in opened:
        planes = one.planes if isinstance(one, Stack) else (one,)
        for k, image in enumerate(planes):
            parts = [str(image.origin.extname or image.origin.hdu)] * (len(opened) > 1)
            parts += [str(k)] * (len(planes) > 1)
            yield k, image, f"{path.name}[{','.join(parts)}]" if parts else path.name


def _split(frames: Sequence[Frame], data: FrameData) -> dict[str, Any]:
    """Hold whole exposures out, whatever the order of the files."""
    first: dict[tuple[int, int], str] = {}
    for frame in frames:
        known = first.get(frame.exposure, frame.digest)
        first[frame.exposure] = min(known, frame.digest)
    if len(first) < LEAST:
        raise UsageError(
            f"{len(first)} exposures that can be used are too few: at least {LEAST} "
            f"are needed, {_HELD} of them to be held out",
            "name more frames; a recipe with a smaller crop takes smaller ones",
        )
    order = sorted(first, key=first.__getitem__)
    number = max(_HELD, round(data.share * len(order)))
    rng = np.random.default_rng(data.split_seed)
    held = {order[k] for k in rng.permutation(len(order))[:number]}
    rows = [
        {
            "name": f.name,
            "held_out": f.exposure in held,
            "shape": list(f.shape),
            "white": round(f.white, 4),
            "sha256": f.digest,
            "cuts": list(f.cuts),
        }
        for f in sorted(frames, key=lambda f: f.digest)
    ]
    decides = [[row["held_out"], row["sha256"], row["cuts"]] for row in rows]
    digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
    return {"digest": digest, "frames": rows}


def _tell(frames: Sequence[Frame], data: FrameData) -> None:
    """Say what is odd about the frames, and is trained on all the same."""
    shapes = sorted({f.shape for f in frames}, key=lambda s: (s[0] * s[1], s))
    n = data.crop
    if len(shapes) > 1:
        small, large = (f"{nx} x {ny}" for ny, nx in (shapes[0], shapes[-1]))
        _log.info(
            "frames of %d sizes, %s to %s pix: crops of %d x %d are cut from each",
            len(shapes), small, large, n, n,
        )  # fmt: skip
    noise = np.array([f.noise for f in frames])
    usual = float(np.median(noise))
    off = (noise > _FAR * usual) | (noise < usual / _FAR)
    if off.any():
        _log.info(
            "noise more than %g times higher or lower than the usual %.3g: %s; frames "
            "of another camera, gain or binning are better trained apart",
            _FAR,
            usual,
            _some([f.name for f, odd in zip(frames, off, strict=True) if odd]),
        )
    pixels = sum(f.shape[0] * f.shape[1] for f in frames)
    if pixels < _FEW_PIXELS:
        _log.info(
            "%.2g Mpix in all are few: the network may learn them by heart, which the "
            "held-out frames will tell",
            pixels / 1e6,
        )


def _write(path: Path, listed: dict[str, Any]) -> None:
    beside = path.with_suffix(".json.new")
    try:
        beside.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written: {error.strerror or error}",
            "give a folder with room for a run",
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    text = ", ".join(names[:_NAMED])
    return f"{text} and {more} more" if more > 0 else text
