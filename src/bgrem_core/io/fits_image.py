"""FITS images: the chosen HDU with its mask and noise map, as a Frame."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgrem_core.errors import ImageError, ReadError, UsageError
from bgrem_core.image import Opened, Origin
from bgrem_core.io import masks
from bgrem_core.io.arrays import AnyArray
from bgrem_core.io.axes import Planes, check_size, choose_planes
from bgrem_core.io.choose import choose, find, is_image, science, sibling
from bgrem_core.io.container import Container, open_container
from bgrem_core.io.fits import (
    Rows,
    bitpix,
    checksum_notice,
    header_of,
    is_ascii,
    is_whole,
    rows_of,
    scan_fits,
)
from bgrem_core.io.frame import Frame, assemble, refuse_mosaic, reserve
from bgrem_core.io.layout import HDURecord
from bgrem_core.io.pixels import Filler, scaling_of
from bgrem_core.io.sigma import Sigma, kind_of, make_sigma
from bgrem_core.io.stored import Band, stored_bands
from bgrem_core.planes import allocate
from bgrem_core.settings import OpenSettings

# Pixels that a byte of compressed data can stand for, at the most.
_MOST_PIXELS = 20_000
# A pixel whose data quality is lost is not to be trusted.
_ALL_BITS = -1
_WITH_HDU = re.compile(r"(?P<path>.+)\[(?P<hdu>[^\[\]]+)\]$")


def open_fits(
    container: Container, settings: OpenSettings, *, mask: AnyArray | None = None
) -> Opened:
    """Read the chosen image of a FITS file.

    Parameters
    ----------
    container : Container
        The open file.
    settings : OpenSettings
        What the user said.
    mask : ndarray, optional
        True = do not trust.

    Returns
    -------
    Image or Stack
        As `assemble`.

    Raises
    ------
    UsageError, ReadError, ImageError
        As `open_image`.
    """
    layout = scan_fits(container, salvage=settings.salvage)
    record, assumed = choose(layout.records, settings.hdu)
    reader = _Reader(container, layout.records, settings, layout.notices)
    return reader.read(record, assumed, mask)


def open_every(container: Container, settings: OpenSettings) -> list[Opened]:
    """Read every science image of a FITS file; those that cannot be used are named."""
    layout = scan_fits(container, salvage=settings.salvage)
    opened: list[Opened] = []
    failed: list[tuple[HDURecord, ImageError]] = []
    for record in science(layout.records):
        reader = _Reader(container, layout.records, settings, layout.notices)
        try:
            opened.append(reader.read(record, "", None))
        except ImageError as error:
            failed.append((record, error))
    if not opened:
        raise failed[0][1]
    return opened


class _Reader:
    """Reads images of one file by the same settings."""

    def __init__(
        self,
        container: Container,
        records: Sequence[HDURecord],
        settings: OpenSettings,
        notices: Sequence[str],
    ) -> None:
        self._container = container
        self._records = records
        self._settings = settings
        self._notices = list(notices)
        self._assumed: list[str] = []
        self._compared: set[int] = set()

    def read(self, record: HDURecord, assumed: str, mask: AnyArray | None) -> Opened:
        values = {**self._records[0].values, **record.values}
        planes = choose_planes(record.shape, self._settings.plane, values=values)
        refuse_mosaic(values, planes)
        self._look(record)
        data = self._pixels(record, planes)
        quality = self._quality(record)
        flags, rms = self._sigma(record, quality)
        unit = values.get("BUNIT")
        frame = Frame(
            data=data,
            planes=planes,
            origin=Origin(
                path=self._container.path,
                format="fits",
                hdu=record.index,
                extname=record.name,
                shape=record.shape,
                salvaged=self._settings.salvage,
            ),
            values=values,
            header=header_of(record),
            unit=unit.strip() if isinstance(unit, str) else "",
            flags=flags,
            rms=rms,
            assumed=[assumed, *self._assumed],
            notices=self._notices,
        )
        return assemble(frame, self._settings, mask=mask)

    def _look(self, record: HDURecord) -> None:
        if not is_ascii(record):
            self._notices.append(
                "the header holds characters that FITS does not allow; they read as '?'"
            )
        self._check_sum(self._container, record)
        first = self._records[0]
        if record is not first and not first.size:
            # Its keywords stand behind those of the image.
            self._check_sum(self._container, first)
        if record.name.upper() == "SCI":
            # Damage may have taken the name, or the kind, of its mask or noise map.
            for other in self._records[record.index + 1 :]:
                if other.name.upper() == "SCI":
                    break
                self._check_sum(self._container, other)

    def _check_sum(self, container: Container, record: HDURecord) -> None:
        if container is self._container:
            if record.index in self._compared:
                return
            self._compared.add(record.index)
        if not is_whole(container, record):
            return
        changed = checksum_notice(container, record)
        if changed and self._settings.strict:
            raise ReadError(changed, hint="leave out --strict to go on all the same")
        if changed and container is not self._container:
            changed = f"{container.path.name}: {changed}"
        self._notices.append(changed)

    def _pixels(self, record: HDURecord, planes: Planes) -> NDArray[np.float32]:
        _check_compressed(record)
        integer = bitpix(record) > 0
        scaling = scaling_of(record.values, integer=integer)
        shape = reserve(len(planes.indices), record.shape[-2:])
        filler = Filler(shape, scaling)
        stored = rows_of(self._container, record)
        for k, index in enumerate(planes.indices):
            for rows, values, lost in self._bands(stored, record, index):
                filler.put((k, rows), values, lost)
        data, notices = filler.finish()
        self._notices += notices
        if filler.lost:
            share = 100 * filler.lost / data.size
            self._notices.append(
                f"{filler.lost} of {data.size} pixels ({share:.2g} %) cannot be read: "
                "they are NaN and masked (--salvage)"
            )
        return data

    def _bands(
        self, stored: Rows, record: HDURecord, index: tuple[int, ...]
    ) -> Iterator[Band]:
        return stored_bands(stored, record, index, salvage=self._settings.salvage)

    def _quality(self, image: HDURecord) -> NDArray[np.uint8] | None:
        wanted, bits = self._settings.mask_ext, self._settings.dq_bits
        if wanted is not None:
            record = find(self._records, wanted)
        else:
            found = self._sibling(image, "DQ")
            if found is None:
                if bits is not None:
                    raise UsageError(
                        "dq_bits was given, but no HDU is known to hold a mask",
                        hint="name it with --mask-ext",
                    )
                return None
            record = found
        _check_fit(record, image, "mask")
        self._check_sum(self._container, record)
        flags: NDArray[np.uint8] = allocate(image.shape[-2:], np.uint8)
        masks.flag_quality(self._whole_numbers(self._container, record), flags, bits)
        which = f"bits {bits}" if bits else "any bit"
        self._assumed.append(
            f"mask from HDU {record.label}, {which} (--mask-ext, --dq-bits)"
        )
        return flags

    def _sigma(
        self, image: HDURecord, flags: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        wanted = self._settings.error
        if wanted is None:
            record = self._sibling(image, "ERR")
            if record is None:
                return flags, None
            return self._use_sigma(self._container, record, image, flags, strict=False)
        inside = self._inside(wanted)
        if inside is not None:
            return self._use_sigma(self._container, inside, image, flags, strict=True)
        path, hdu = _split_path(wanted)
        with open_container(path) as other:
            if other.format != "fits":
                raise ReadError(f"the noise map {wanted} is not a FITS file")
            record, _ = choose(scan_fits(other).records, hdu)
            found = self._use_sigma(other, record, image, flags, strict=True)
            other.check_unchanged()
            return found

    def _sibling(self, image: HDURecord, name: str) -> HDURecord | None:
        found = sibling(self._records, image, name)
        if found is None or found.shape == image.shape:
            return found
        # One without pixels says that there is nothing to say.
        if found.shape:
            self._notices.append(
                f"HDU {found.label} does not fit the image and is not used"
            )
        return None

    def _inside(self, wanted: str) -> HDURecord | None:
        try:
            return find(self._records, wanted)
        except UsageError as error:
            if _split_path(wanted)[0].exists():
                return None
            raise UsageError(
                f"error={wanted!r} is neither an HDU nor a file", hint=error.hint
            ) from None

    def _use_sigma(
        self,
        container: Container,
        record: HDURecord,
        image: HDURecord,
        flags: NDArray[np.uint8] | None,
        *,
        strict: bool,
    ) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32] | None]:
        _check_fit(record, image, "noise map")
        self._check_sum(container, record)
        kind = kind_of(record.name)
        if kind == "sigma" and container is not self._container:
            kind = kind_of(container.path.name)
        painted: NDArray[np.uint8] = allocate(image.shape[-2:], np.uint8)
        if flags is not None:
            np.copyto(painted, flags)
        sigma = make_sigma(self._scaled(container, record), painted, kind)
        if sigma is None:
            said = f"the noise map in HDU {record.label} has no positive value"
            if strict:
                raise ImageError(said, hint="leave out --error")
            self._notices.append(f"{said} and is not used")
            return flags, None
        self._say_sigma(container, record, kind, sigma)
        return painted, sigma.values

    def _say_sigma(
        self, container: Container, record: HDURecord, kind: str, sigma: Sigma
    ) -> None:
        where = f"HDU {record.label}"
        if container is not self._container:
            where = f"{container.path.name}, {where}"
        self._assumed.append(f"noise from {where}, read as {kind} (--error)")
        if sigma.missing:
            self._notices.append(
                f"{sigma.missing} pixels have no noise estimate in {where}: "
                "masked as not covered"
            )

    def _pieces(self, container: Container, record: HDURecord) -> Iterator[Band]:
        _check_compressed(record)
        index = (0,) * (len(record.shape) - 2)
        yield from self._bands(rows_of(container, record), record, index)

    def _scaled(
        self, container: Container, record: HDURecord
    ) -> Iterator[tuple[slice, AnyArray]]:
        scaling = scaling_of(record.values, integer=bitpix(record) > 0)
        for rows, stored, lost in self._pieces(container, record):
            values = np.asarray(stored, np.float64) * scaling.scale + scaling.zero
            if scaling.blank is not None:
                values[stored == scaling.blank] = np.nan
            if lost is not None:
                values[lost] = np.nan
            yield rows, values

    def _whole_numbers(
        self, container: Container, record: HDURecord
    ) -> Iterator[tuple[slice, AnyArray]]:
        zero = _offset(record.values)
        for rows, stored, lost in self._pieces(container, record):
            if stored.dtype.kind == "f":
                values = np.nan_to_num(stored, nan=1).astype(np.int64)
            else:
                values = stored.astype(np.int64) + zero
            if lost is not None:
                values[lost] = _ALL_BITS
            yield rows, values


def _check_compressed(record: HDURecord) -> None:
    if record.kind != "compressed":
        return
    pixels = int(np.prod(record.shape, dtype=object))
    if pixels > _MOST_PIXELS * max(record.size, 1):
        raise ReadError(
            f"HDU {record.label} states more pixels than its {record.size} bytes hold",
            hint="the file is damaged: fetch it again",
        )


def _check_fit(record: HDURecord, image: HDURecord, what: str) -> None:
    if not is_image(record):
        raise ImageError(f"the {what} in HDU {record.label} is no image")
    check_size(record.shape)
    fits = record.shape[-2:] == image.shape[-2:]
    if not fits or int(np.prod(record.shape[:-2])) != 1:
        raise ImageError(
            f"the {what} in HDU {record.label} does not fit the image {image.label}"
        )


def _offset(values: Mapping[str, object]) -> int:
    zero = values.get("BZERO", 0)
    return int(zero) if isinstance(zero, (int, float)) else 0


def _split_path(text: str) -> tuple[Path, str | None]:
    match = _WITH_HDU.match(text)
    if match and not Path(text).exists():
        return Path(match["path"]), match["hdu"]
    return Path(text), None
