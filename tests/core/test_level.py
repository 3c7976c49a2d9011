"""The smooth bright light that is set aside while the network works."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.level import BIN, FLOOR, REACH, bright_level
from bgrem_core.tiles import grid, grow, inside, take


def galaxy(n=320):
    y, x = np.mgrid[:n, :n]
    return (200 * np.exp(-np.hypot(y - n / 2, x - n / 2) / 30)).astype(np.float32)


def test_sky_and_stars_have_no_level():
    z = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    y, x = np.mgrid[:256, :256]
    for cy, cx in ((40, 50), (130, 200), (220, 90)):
        z += 2000 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 8).astype(np.float32)
    assert (bright_level(z) == 0).all()


def test_a_bright_galaxy_is_brought_down_to_what_the_network_knows():
    z = galaxy()
    left = z - bright_level(z)
    ring = (z > 20) & (z < 100)
    assert left[ring].max() < 20  # where the network was trained
    assert left[z > FLOOR].min() > 0


@given(st.integers(0, 3), st.integers(0, 3))
def test_tiles_see_the_level_of_the_whole(row, column):
    z = galaxy()
    pad = REACH
    whole = bright_level(np.pad(z, pad, "symmetric"))[pad:-pad, pad:-pad]
    tiles = grid(z.shape, tile=96, margin=8, pooling=BIN)
    tile = tiles.tile(row, column)
    wide = grow(tile.read, REACH)
    part = bright_level(take(z, wide).astype(np.float32))
    np.testing.assert_allclose(
        part[inside(wide, tile.keep)], whole[tile.keep], atol=1e-4
    )
