import pytest

torch = pytest.importorskip("torch")

from bgrem_core.networks.expectation import ExpectationUNet  # noqa: E402


def lively(scale=0.05, **config):
    torch.manual_seed(1)
    network = ExpectationUNet(**config).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, 0, scale)
    return network


def photons(*shape, mean=3.0):
    return torch.poisson(torch.full(shape, mean), generator=torch.manual_seed(2))


def test_the_network_has_the_stated_parameter_count():
    assert sum(p.numel() for p in ExpectationUNet().parameters()) == 648_290


def test_the_radius_is_the_farthest_pixel_with_a_gradient():
    network = lively(0.1, widths=[4, 4, 4]).double()
    assert network.radius == ExpectationUNet().radius
    side, middle, farthest = 80, 36, 0
    level = torch.full((1,), 3.0, dtype=torch.float64)
    for phase in range(network.pooling):
        n = photons(1, 1, side, side).double().requires_grad_()
        y = x = middle + phase
        network.roots(n, level)[0, :, y, x].sum().backward()
        rows, cols = torch.nonzero(n.grad[0, 0], as_tuple=True)
        reach = [y - rows.min(), rows.max() - y, x - cols.min(), cols.max() - x]
        farthest = max(farthest, *[int(r) for r in reach])
    assert farthest == network.radius


def test_tile_and_whole_agree_inside_the_radius_at_one_level():
    network = lively()
    n = photons(1, 1, 160, 192)
    level = network.level_of(n)
    with torch.inference_mode():
        whole = network(n, level)
        tile = network(n[..., 32:148, 40:172], level)
    r = network.radius
    inner = whole[..., 32 + r : 148 - r, 40 + r : 172 - r]
    torch.testing.assert_close(tile[..., r:-r, r:-r], inner, rtol=1e-4, atol=1e-4)


def test_the_level_is_the_median_of_the_stabilised_counts():
    network = lively()
    n = photons(3, 1, 32, 32, mean=9.0)
    stable = 2 * (n + 0.375).sqrt()
    level = network.level_of(n)
    torch.testing.assert_close(level, stable.flatten(1).median(dim=1).values)
    with torch.inference_mode():
        torch.testing.assert_close(network(n), network(n, level))
        assert not torch.equal(network(n), network(n, level + 1))


def test_both_expectations_are_counts_of_zero_or_more():
    network = lively()
    n = photons(2, 1, 20, 36)
    n[0, 0, 3, 4] = 1e6
    n[1] = 0
    with torch.inference_mode():
        out = network(n)
    assert out.shape == (2, 2, 20, 36)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    assert out.min() >= 0


def test_an_untrained_network_starts_with_a_flat_background_of_the_right_size():
    n = photons(1, 1, 64, 64, mean=30.0)
    source, background = ExpectationUNet()(n)[0].detach()
    assert background.std() == pytest.approx(0, abs=1e-5)
    assert float(background.mean()) == pytest.approx(30, rel=0.1)
    assert source.max() < 0.1


def test_it_is_built_again_from_its_config():
    network = ExpectationUNet(widths=(4, 8))
    again = ExpectationUNet(**network.config)
    again.load_state_dict(network.state_dict())
    assert again.pooling == 2
    with pytest.raises(ValueError, match="widths"):
        ExpectationUNet(widths=[])


def test_gradients_are_finite_at_no_counts_at_all():
    network = lively()
    network.roots(torch.zeros(1, 1, 16, 16)).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
