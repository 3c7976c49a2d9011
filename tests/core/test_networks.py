import warnings

import pytest

torch = pytest.importorskip("torch")

from bgrem_core.errors import ModelError  # noqa: E402
from bgrem_core.networks import build  # noqa: E402


def lively(name, **config):
    """Return a network with random weights everywhere, the zeroed outputs too."""
    torch.manual_seed(1)
    network = build(name, **config).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, 0, 0.1)
    return network


def call(network, z, level=1.0, condition=(0.0, 0.0, 0.0)):
    return network(
        z,
        torch.full((len(z),), level, dtype=z.dtype),
        torch.tensor([condition] * len(z), dtype=z.dtype),
    )


def test_the_papers_network_has_the_original_parameter_count():
    network = build("attention")
    assert sum(p.numel() for p in network.parameters()) == 2_230_337
    counted = [
        v.numel()
        for k, v in network.state_dict().items()
        if not k.endswith("num_batches_tracked")
    ]
    assert sum(counted) == 2_231_105


def test_the_fast_network_has_the_stated_parameter_count():
    assert sum(p.numel() for p in build("fast").parameters()) == 613_352


@pytest.mark.parametrize(
    ("name", "widths"), [("fast", [4, 4, 4]), ("attention", [3, 3, 3, 3, 3])]
)
def test_the_radius_is_the_farthest_pixel_with_a_gradient(name, widths):
    # Thin networks: the reach depends on the levels, not on the channels.
    network = lively(name, widths=widths).double()
    assert network.radius == build(name).radius
    side, middle, farthest = 288, 128, 0
    for phase in (0, 2, 3, network.pooling - 1):  # among them the worst ones
        z = torch.randn(1, 1, side, side, dtype=torch.float64, requires_grad=True)
        y = x = middle + phase
        call(network, z)[0, 0, y, x].backward()
        rows, cols = torch.nonzero(z.grad[0, 0], as_tuple=True)
        reach = [y - rows.min(), rows.max() - y, x - cols.min(), cols.max() - x]
        farthest = max(farthest, *[int(r) for r in reach])
    assert farthest == network.radius


@pytest.mark.parametrize("name", ["attention", "fast"])
@pytest.mark.parametrize("level", [0.2, 1.0])
def test_outputs_are_finite_at_odd_multiples_of_the_pooling(name, level):
    network = lively(name)
    ny, nx = 3 * network.pooling, 5 * network.pooling
    z = torch.randn(2, 1, ny, nx) * 10
    z[0, 0, 3, 4] = 1e6
    z[1, 0, 0, 0] = -1e6
    with torch.inference_mode():
        out = call(network, z, level, (0.3, 1.2, 1.0))
    assert out.shape == (2, 1, ny, nx)
    assert torch.isfinite(out).all()


def test_a_new_fast_network_predicts_no_noise():
    out = call(build("fast"), torch.randn(1, 1, 16, 16))
    assert out.abs().max() == 0


@pytest.mark.parametrize(
    ("level", "condition"), [(0.5, (0.2, 1.0, 1.0)), (1.0, (0.0, 1.0, 1.0))]
)
def test_level_and_condition_change_the_fast_network(level, condition):
    network = lively("fast")
    z = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(call(network, z), call(network, z, level, condition))


def test_the_heads_are_trained_together_and_one_is_returned():
    z = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        for index, head in enumerate(("mae", "mse")):
            network = lively("fast", head=head)
            both = network.forward_heads(z, torch.ones(1), torch.zeros(1, 3))
            assert both.shape == (1, 2, 32, 32)
            assert torch.equal(call(network, z)[:, 0], both[:, index])
            torch.testing.assert_close(call(network.slim(), z), call(network, z))


def test_tile_and_whole_agree_inside_the_radius():
    network = lively("fast")
    z = torch.randn(1, 1, 320, 320)
    with torch.inference_mode():
        whole = call(network, z)
        tile = call(network, z[..., 64:256, 64:256])
    r = network.radius
    inner = whole[..., 64 + r : 256 - r, 64 + r : 256 - r]
    torch.testing.assert_close(tile[..., r:-r, r:-r], inner, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "side"), [("fast", 64), ("attention", 64), ("attention", 272)]
)
def test_saving_memory_changes_no_bit(name, side):
    # Without gradients layers write over what nobody needs, and go by strips.
    widths = {"attention": (4, 8, 16), "fast": (4, 8)}[name]
    network = lively(name, widths=widths)
    z = 3 * torch.randn(1, 1, side, side)
    kept = call(network, z).detach()
    given = z.clone()
    with torch.inference_mode():
        spared = call(network, z)
    assert torch.equal(kept, spared)
    assert torch.equal(z, given)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ModelError, match=r"network 'huge' is unknown.*fast"):
        build("huge")
    with pytest.raises(ModelError, match="colour"):
        build("fast", colour=3)
    with pytest.raises(ModelError, match="widths"):
        build("fast", widths=[8] * 1000)


def test_building_on_no_device_allocates_nothing():
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("error")
        network = build("fast", widths=[100_000, 100_000])
    assert all(p.is_meta for p in network.parameters())
