"""Container: the bytes of an input file, checked before any parser sees them."""

import bz2
import errno
import gzip
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Literal, Self

from bgrem_core.errors import ReadError, UsageError
from bgrem_core.io.layout import Growth
from bgrem_core.planes import scratch_folder

if TYPE_CHECKING:
    from bgrem_core.io.wall import Wall

Format = Literal["fits", "tiff", "png"]

_CHUNK = 2**20
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_GZIP = b"\x1f\x8b"
_BZIP = b"BZh"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WRITING = "is another program writing it?"
_CONVERT = "convert it to FITS or TIFF first"
#: First bytes of what people take for an image, and what it is.
_OTHERS = (
    (b"XISF0100", "an XISF file"),
    (b"\xff\xd8\xff", "a JPEG file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"#ASDF", "an ASDF file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"FUJIFILM", "a camera raw file"),
    (b"LUCAM-RECORDER", "a SER video"),
    (b"GIF8", "a GIF file"),
    (b"%PDF", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x1f\x9d", "a file of the old Unix compress"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
_RAW = (".cr2", ".nef", ".arw", ".dng", ".orf", ".rw2", ".pef", ".raf")


@dataclass(eq=False)
class Container:
    """An input file that is open, regular and of a known format.

    Attributes
    ----------
    path : Path
        As the user named it.
    format : {"fits", "tiff", "png"}
        By its first bytes.
    size : int
        Bytes, after decompression.
    file : file object
        Open for reading; of a compressed file the unlinked scratch copy.
    stamp : tuple of int
        Size and time of the last change when it was opened.
    wall : Wall or None
        The child process that decodes what could end this one, once it is needed.
    """

    path: Path
    format: Format
    size: int
    file: IO[bytes]
    stamp: tuple[int, int]
    wall: "Wall | None" = None

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes from `offset`.

        Raises
        ------
        ReadError
            The file is shorter by now, or the disk fails.
        """
        try:
            self.file.seek(offset)
            data = self.file.read(size)
        except OSError as error:
            raise _failed(error) from error
        if len(data) != size:
            raise ReadError(
                f"the file ended at byte {offset + len(data)} while it was read",
                hint=_WRITING,
            )
        return data

    def check_unchanged(self) -> None:
        """Check that nobody has written into the file since it was opened.

        Raises
        ------
        ReadError
            Somebody has: what was read may be of the old file and of the new one.
        """
        if _stamp(self.file) != self.stamp:
            raise _changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.wall is not None:
            self.wall.close()
        self.file.close()


def open_container(
    source: str | os.PathLike[str], *, salvage: bool = False
) -> Container:
    """Open a file for reading, whatever it claims to be.

    Parameters
    ----------
    source : path
        A regular file; FITS may be compressed with gzip or bzip2.
    salvage : bool, optional
        Of a compressed file that is cut off, keep what comes out of it.

    Returns
    -------
    Container
        A context manager that closes the file.

    Raises
    ------
    ReadError
        Missing, not a regular file, or not of a known format.
    """
    path = check_source(source)
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    except OSError as error:
        raise _failed(error) from error
    try:
        return _identify(path, file, salvage=salvage)
    except BaseException:
        file.close()
        raise


def check_source(source: str | os.PathLike[str]) -> Path:
    """Check that an input is a regular file, without opening it.

    Parameters
    ----------
    source : path
        The input.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    ReadError
        Missing, a URL, a folder, a pipe or a device.
    """
    text = os.fsdecode(source)
    # A path has lost one of the slashes.
    if _URL.match(text):
        raise ReadError("this is a URL", hint="download the file first")
    if "\0" in text:
        raise UsageError("the file name holds a NUL character")
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ReadError("there is no such file") from error
    except OSError as error:
        raise _failed(error) from error
    except UnicodeError as error:
        raise ReadError(
            "the locale has no such file names", hint="set LC_ALL=C.UTF-8"
        ) from error
    _refuse_special(mode)
    return path


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting, should the file have become a pipe since."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_special(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise ReadError("this is a folder", hint="name the files in it")
    if not stat.S_ISREG(mode):
        raise ReadError("this is not a regular file", hint="name a file on disk")


def _identify(path: Path, file: IO[bytes], *, salvage: bool) -> Container:
    stamp = _stamp(file)
    start = file.read(512)
    if not start:
        raise ReadError("the file is empty", hint="was the download cut off?")
    if start.startswith((_GZIP, _BZIP)):
        scratch = _decompress(file, start, salvage=salvage)
        if _stamp(file) != stamp:
            scratch.close()
            raise _changed()
        file.close()
        copied = _stamp(scratch)
        return Container(path, "fits", copied[0], scratch, copied)
    return Container(path, _format(path, start), stamp[0], file, stamp)


def _stamp(file: IO[bytes]) -> tuple[int, int]:
    about = os.fstat(file.fileno())
    return about.st_size, about.st_mtime_ns


def _changed() -> ReadError:
    return ReadError("the file was changed while it was read", hint=_WRITING)


def _format(path: Path, start: bytes) -> Format:
    if start.startswith(b"SIMPLE  ="):
        return "fits"
    if start.startswith(_TIFF):
        if start[8:10] == b"CR" or path.suffix.lower() in _RAW:
            raise ReadError("this is a camera raw file", hint=_CONVERT)
        return "tiff"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    raise _stranger(start)


def _stranger(start: bytes) -> ReadError:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return ReadError("this is an HTML or XML page", hint="did the download fail?")
    for magic, name in _OTHERS:
        if start.startswith(magic):
            return ReadError(f"this is {name}, which cannot be read", hint=_CONVERT)
    return ReadError("this is not a FITS, TIFF or PNG file", hint=_CONVERT)


def _decompress(file: IO[bytes], start: bytes, *, salvage: bool) -> IO[bytes]:
    """Copy to a scratch file, stopping a block after the end that the headers state."""
    file.seek(0)
    folder = scratch_folder()
    room = shutil.disk_usage(folder).free
    scratch = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - handed on
    growth = Growth()
    try:
        gzipped = start.startswith(_GZIP)
        for piece in _inflate(file, gzipped=gzipped, salvage=salvage):
            growth.feed(piece)
            _check_room(growth.limit(), room)
            scratch.write(piece)
        scratch.flush()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        scratch.close()
        if isinstance(error, ReadError):
            raise
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise ReadError(
                "the scratch disk is full",
                hint="set TMPDIR to a folder on a larger disk",
            ) from error
        if isinstance(error, EOFError):
            raise ReadError(
                "the compressed file ends too early",
                hint="was the download or copy cut off? --salvage keeps what is there",
            ) from error
        raise ReadError(
            f"the compressed file is damaged ({error})", hint="fetch it again"
        ) from error
    except BaseException:
        scratch.close()
        raise
    return scratch


def _check_room(size: int, room: int) -> None:
    """Refuse before the disk is full what states that it will fill it."""
    if size > room:
        raise ReadError(
            f"unpacked it states {size / 1e9:.1f} GB, and the scratch disk has "
            f"{room / 1e9:.1f} GB free",
            hint="set TMPDIR to a folder on a larger disk",
        )


def _inflate(file: IO[bytes], *, gzipped: bool, salvage: bool) -> Iterator[bytes]:
    stream = gzip.GzipFile(fileobj=file) if gzipped else bz2.BZ2File(file)
    with stream:
        # Whatever is read at once is lost if the file ends within it.
        read = stream.read1 if salvage else stream.read
        try:
            while piece := read(_CHUNK):
                yield piece
        except EOFError:
            # Up to here all is sound, which after any other damage nobody knows.
            if not salvage:
                raise


def _failed(error: OSError) -> ReadError:
    return ReadError(f"the file cannot be read ({error.strerror or error})")
