import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from bgrem_core import models  # noqa: E402
from bgrem_core.networks import NETWORKS, build, rewritten  # noqa: E402
from bgrem_core.tiles import grid, take  # noqa: E402
from bgrem_core.weights import slim  # noqa: E402


def shipped():
    """Return the paper's network with its shipped weights, as it was trained."""
    file = slim.read(models.find_file("optical-paper"))
    network = build("attention")
    state = {k: torch.tensor(file.array(k)) for k in network.state_dict()}
    network.load_state_dict(state)
    return network.eval()


def lively(seed, **config):
    """Return a network with random weights and statistics everywhere."""
    torch.manual_seed(seed)
    network = build("attention", **config).eval()
    for value in network.state_dict().values():
        if value.dtype == torch.float32:
            torch.nn.init.uniform_(value, -0.5, 0.5)
    for name, value in network.named_buffers():
        if name.endswith("running_var"):
            torch.nn.init.uniform_(value, 0.05, 5)
    return network


def starry(shape, seed=0):
    z = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    z[..., 3:6, 2:5] += 1000
    z[..., -1, -1] = -50
    return z


@torch.inference_mode()
def both(network, z, level):
    """Return what a network says, and what is said after it was rewritten."""
    rest = torch.full((len(z),), level), torch.zeros(len(z), 3)
    return network(z, *rest), rewritten(network)(z, *rest)


@pytest.mark.parametrize("level", [0.2, 0.7, 1.0])
def test_the_rewritten_shipped_network_says_the_same(level):
    network, z = shipped(), starry((2, 1, 96, 160))
    single = both(network, z, level)
    # The difference is rounding: in wider numbers it is as much smaller as they are.
    largest = single[0].abs().max()
    assert largest > 10
    assert (single[1] - single[0]).abs().max() < 3e-6 * largest
    double = both(network.double(), z.double(), level)
    assert (double[1] - double[0]).abs().max() < 1e-14 * largest


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    gates=st.integers(0, 4),
    sides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    level=st.floats(0.1, 1),
    seed=st.integers(0, 2**31),
)
def test_any_rewritten_network_says_the_same_on_any_size(
    widths, gates, sides, level, seed
):
    network = lively(seed, widths=widths, gates=gates).double()
    ny, nx = (n * network.pooling for n in sides)
    z = torch.randn(1, 1, ny, nx, dtype=torch.float64) * 20
    old, new = both(network, z, level)
    assert new.shape == old.shape
    torch.testing.assert_close(new, old, rtol=1e-10, atol=1e-11)


def test_rewriting_leaves_the_network_as_it_was():
    network = lively(3, widths=[3, 4, 5])
    before = copy.deepcopy(network.state_dict())
    new = rewritten(network)
    for p in new.parameters():
        p.data.zero_()
    after = network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert (new.radius, new.pooling) == (network.radius, network.pooling)


def test_a_network_in_training_is_not_rewritten():
    with pytest.raises(ValueError, match="training mode cannot be rewritten"):
        rewritten(build("attention", widths=[2, 2]))


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"attention"}))
def test_networks_without_anything_to_rewrite_stay_themselves(name):
    network = build(name).eval()
    assert rewritten(network) is network


def test_a_loaded_model_is_rewritten_and_says_what_its_network_says():
    z = starry((1, 1, 64, 96))
    model = models.load_model("optical-paper", device="cpu")
    with torch.inference_mode():
        expected = shipped()(z, torch.ones(1), torch.zeros(1, 3))[0, 0].numpy()
    said = model.denoise(z[0, 0].numpy(), 1.0)
    assert np.abs(said - expected).max() < 3e-6 * np.abs(expected).max()
    assert not any(
        isinstance(m, torch.nn.ConvTranspose2d | torch.nn.BatchNorm2d)
        for m in model._network.modules()
    )


def test_tiles_are_the_whole_to_rounding_where_the_margin_is_the_radius():
    model = models.load_model("optical-paper", device="cpu", threads=1)
    plane = starry((512, 560)).numpy()
    tiles = grid(plane.shape, tile=416, margin=model.radius, pooling=model.pooling)
    assert tiles.margin == 128
    assert len(tiles) > 4
    # The whole is mirrored at its edges as tiles are.
    edge = slice(-128, 512 + 128), slice(-128, 560 + 128)
    whole = model.denoise(take(plane, edge), 1.0)[128:-128, 128:-128]
    for tile in tiles:
        said = tile.crop(model.denoise(take(plane, tile.read), 1.0))
        # Nothing at all where one kernel serves both sizes; that depends on the CPU.
        assert np.abs(said - whole[tile.keep]).max() < 3e-6 * np.abs(whole).max()
