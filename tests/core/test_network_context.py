import numpy as np
import pytest
import torch

from bgrem_core.ddpm import ALPHA_BAR
from bgrem_core.networks.context import ContextUNet


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def stirred(**config):
    """Return a network whose zeroed layers are not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = ContextUNet(**config).eval()
        for p in network.parameters():
            if not p.detach().any():
                torch.nn.init.normal_(p, 0, 0.1)
    return network


def seen(network, side, pixel, t=300.0):
    """Return where the input acts on one output pixel."""
    torch.manual_seed(2)
    x = torch.randn(1, 1, side, side, requires_grad=True)
    out = network(x, torch.tensor([t]))
    out[0, 0, pixel[0], pixel[1]].backward()
    return x.grad[0, 0].numpy() != 0


def test_it_has_eight_hundred_thousand_parameters():
    count = sum(p.numel() for p in ContextUNet().parameters())
    assert 0.75e6 < count < 0.9e6


def test_a_new_network_foresees_the_best_linear_guess():
    x, t = torch.randn(3, 1, 32, 32), torch.tensor([0.0, 250.0, 499.0])
    eps = ContextUNet()(x, t)
    wanted = np.sqrt(1 - ALPHA_BAR[[0, 250, 499]])[:, None, None, None] * x.numpy()
    np.testing.assert_allclose(eps.detach().numpy(), wanted, atol=1e-5)


def test_every_pixel_of_its_row_and_column_is_seen_and_no_far_corner_of_one_block():
    network = stirred(widths=(8,), blocks=1, shrink=2)
    side, pixel = 64, (20, 22)
    at = seen(network, side, pixel)
    assert at[pixel[0]].all()
    assert at[:, pixel[1]].all()
    # One block: rows reach one axial kernel and the convolutions behind it.
    assert not at[-1, -1]


def test_convolutions_reach_exactly_the_radius():
    for config in (
        {"widths": (6, 8), "blocks": 1, "shrink": 2},
        {"widths": (6, 6), "blocks": 2, "shrink": 1},
    ):
        network = stirred(**config)
        for block in network.modules():
            if hasattr(block, "columns"):
                for conv in (block.rows, block.columns):
                    torch.nn.init.zeros_(conv.weight)
        side, reach = 160, 0
        for dy in range(2 * network.pooling):
            pixel = (72 + dy, 80)
            rows = np.flatnonzero(seen(network, side, pixel).any(axis=1))
            reach = max(reach, pixel[0] - rows[0], rows[-1] - pixel[0])
        assert reach == network.radius


def test_the_time_matters():
    network = stirred(widths=(8, 8))
    x = torch.randn(1, 1, 16, 16)
    a, b = (network(x, torch.tensor([t])) for t in (100.0, 400.0))
    assert not torch.allclose(a, b, atol=1e-3)


def test_any_multiple_of_the_pooling_goes_through():
    network = ContextUNet(widths=(8, 8, 8))
    for shape in ((8, 16), (24, 40)):
        assert network(torch.zeros(2, 1, *shape), torch.zeros(2)).shape == (
            2,
            1,
            *shape,
        )


def test_frames_of_a_batch_do_not_mix():
    network = stirred(widths=(8, 12))
    x, t = torch.randn(3, 1, 16, 16), torch.tensor([10.0, 200.0, 400.0])
    together = network(x, t)
    for k in range(3):
        alone = network(x[k : k + 1], t[k : k + 1])
        torch.testing.assert_close(alone[0], together[k], atol=1e-5, rtol=1e-4)


def test_a_network_made_of_shapes_alone_takes_weights():
    source = stirred(widths=(8, 8))
    with torch.device("meta"):
        empty = ContextUNet(**source.config)
    empty.load_state_dict(source.state_dict(), strict=True, assign=True)
    x, t = torch.randn(1, 1, 16, 16), torch.tensor([123.0])
    torch.testing.assert_close(empty(x, t), source(x, t))


@pytest.mark.parametrize(
    "config", [{"widths": ()}, {"widths": (8,) * 7}, {"shrink": 0}, {"blocks": 0}]
)
def test_a_configuration_out_of_range_is_refused(config):
    with pytest.raises(ValueError, match=r"are not 1 to|is out of range"):
        ContextUNet(**config)
