import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.io import open_image
from bgrem_core.io.checksum import Sum, encode


@pytest.mark.parametrize("size", [0, 1, 3, 4, 4001, 100_000])
def test_sum_does_not_depend_on_the_pieces_and_equals_astropys(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    hdu = fits.PrimaryHDU()
    padded = np.zeros(-(-size // 4) * 4, np.uint8)
    padded[:size] = data
    expected = hdu._compute_checksum(padded)
    for step in (1, 5, 2880, size + 1):
        if size > 5000 and step < 100:
            continue
        total = Sum()
        for k in range(0, size, step):
            total.update(data[k : k + step].tobytes())
        assert total.value == int(expected)


@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF, 0x12345678, 0xDEADBEEF, 65535])
def test_encoding_is_that_of_the_standard(value):
    assert encode(value) == fits.PrimaryHDU()._char_encode(~np.uint32(value))


def test_encoding_uses_letters_and_digits_only():
    rng = np.random.default_rng(2)
    assert all(encode(int(v)).isalnum() for v in rng.integers(0, 2**32, 500))


def test_what_stands_in_the_padding_is_part_of_the_sum(tmp_path):
    data = np.random.default_rng(1).normal(100, 5, (40, 48)).astype(np.float32)
    path = tmp_path / "in.fits"
    fits.PrimaryHDU(data).writeto(path, checksum=True)
    assert not open_image(path).notices
    raw = bytearray(path.read_bytes())
    raw[-7] = 1
    path.write_bytes(raw)
    with fits.open(path) as hdus:
        assert not hdus[0].verify_datasum()
    assert any("DATASUM of HDU 0 is wrong" in n for n in open_image(path).notices)
    # Padding that is missing counts as zeros.
    path.write_bytes(raw[: 2880 + data.nbytes])
    assert not any("SUM" in n for n in open_image(path).notices)
