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

NAMES = {"attention": "optical-paper", "fast": "optical"}
# Of computing in float64; the fast network gives float32 in any case.
LEAST = {"attention": 1e-14, "fast": 1e-7}


def shipped(kind):
    """Return a network with its shipped weights, as it was trained."""
    file = slim.read(models.find_file(NAMES[kind]))
    network = build(kind, **file.metadata["config"])
    state = {k: torch.tensor(file.array(k)) for k in network.state_dict()}
    network.load_state_dict(state)
    return network.eval()


def lively(kind, seed, **config):
    """Return a network with random weights and statistics everywhere."""
    torch.manual_seed(seed)
    network = build(kind, **config).eval()
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
    told = torch.tensor([[0.1, 1.2, 1.0]] * len(z), dtype=z.dtype)
    told[0, 0] = 0.3
    rest = torch.linspace(level, 0.3, len(z), dtype=z.dtype), told
    pair = network, rewritten(network)
    return [getattr(n, "forward_heads", n)(z, *rest) for n in pair]


@pytest.mark.parametrize("kind", ["attention", "fast"])
@pytest.mark.parametrize("level", [0.2, 0.7, 1.0])
def test_a_rewritten_shipped_network_says_the_same(kind, level):
    network, z = shipped(kind), starry((2, 1, 96, 160))
    single = both(network, z, level)
    # The difference is rounding: in wider numbers it is as much smaller as they are.
    largest = single[0].abs().max()
    assert largest > 10
    assert (single[1] - single[0]).abs().max() < 3e-6 * largest
    double = both(network.double(), z.double(), level)
    assert (double[1] - double[0]).abs().max() < LEAST[kind] * largest


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["attention", "fast"]),
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    gates=st.integers(0, 4),
    sides=st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4)),
    level=st.floats(0.1, 1),
    seed=st.integers(0, 2**31),
)
def test_any_rewritten_network_says_the_same_on_any_size(
    kind, widths, gates, sides, level, seed
):
    config = {"attention": {"gates": gates}, "fast": {"hidden": 8}}[kind]
    network = lively(kind, seed, widths=widths, **config).double()
    number, *grid_sides = sides
    ny, nx = (n * network.pooling for n in grid_sides)
    z = torch.randn(number, 1, ny, nx, dtype=torch.float64) * 20
    old, new = both(network, z, level)
    assert new.shape == old.shape
    close = {"attention": 1e-10, "fast": 1e-6}[kind]
    torch.testing.assert_close(new, old, rtol=close, atol=close)


@pytest.mark.parametrize("kind", ["attention", "fast"])
def test_rewriting_leaves_the_network_as_it_was(kind):
    network = lively(kind, 3, widths=[3, 4, 5])
    before = copy.deepcopy(network.state_dict())
    new = rewritten(network)
    for p in new.parameters():
        p.data.zero_()
    after = network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert (new.radius, new.pooling) == (network.radius, network.pooling)


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_a_network_in_training_is_not_rewritten(kind):
    with pytest.raises(ValueError, match="training mode cannot be rewritten"):
        rewritten(build(kind))


@pytest.mark.parametrize("name", ["context", "expectation"])
def test_networks_without_anything_to_rewrite_stay_themselves(name):
    network = build(name).eval()
    assert rewritten(network) is network


@pytest.mark.parametrize("kind", ["attention", "fast"])
def test_a_loaded_model_is_rewritten_and_says_what_its_network_says(kind):
    z = starry((1, 1, 64, 96))
    model = models.load_model(NAMES[kind], device="cpu")
    with torch.inference_mode():
        told = torch.tensor([[0.0, 2.0, 1.0]])
        expected = shipped(kind)(z, torch.ones(1), told)[0, 0].numpy()
    said = model.denoise(z[0, 0].numpy(), 1.0, sigma_e=100)
    assert np.abs(said - expected).max() < 3e-6 * np.abs(expected).max()
    assert type(model._network).__name__.startswith("Rewritten")


@pytest.mark.parametrize(("kind", "tile"), [("attention", 416), ("fast", 256)])
def test_tiles_are_the_whole_to_rounding_where_the_margin_is_the_radius(kind, tile):
    model = models.load_model(NAMES[kind], device="cpu", threads=1)
    plane = starry((416, 448)).numpy()
    tiles = grid(plane.shape, tile=tile, margin=model.radius, pooling=model.pooling)
    m = tiles.margin
    assert m == {"attention": 128, "fast": 56}[kind]
    assert len(tiles) > 4
    # The whole is mirrored at its edges as tiles are.
    edge = slice(-m, 416 + m), slice(-m, 448 + m)
    whole = model.denoise(take(plane, edge), 1.0)[m:-m, m:-m]
    for one in tiles:
        said = one.crop(model.denoise(take(plane, one.read), 1.0))
        # Nothing at all where one kernel serves both sizes; that depends on the CPU.
        assert np.abs(said - whole[one.keep]).max() < 3e-6 * np.abs(whole).max()


@torch.inference_mode()
def test_some_heads_say_what_they_say_among_all():
    file = slim.read(models.find_file("optical-fast"))
    heads = ("noise", *file.metadata["config"]["heads"][1:])
    model = models.load_model("optical-fast", device="cpu")
    z = starry((96, 160)).numpy()
    every = model.appraise(z, 1.0, rho=0.1)
    assert set(every) == set(heads)
    assert len(heads) > 2
    some = model.appraise(z, 1.0, rho=0.1, heads=heads[-1:])
    assert set(some) == {"noise", heads[-1]}
    for name, answer in some.items():
        assert np.array_equal(answer, every[name])
