"""The method of Cohen & Lu against itself pixel by pixel, and its published figures."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest
import slow_cohen
import star_pictures

import bgrem_core
from bgrem_core.errors import ImageError, UsageError
from bgrem_core.stars.asymmetry import STRAIGHT_AXES, asymmetry, mean_asymmetry
from bgrem_core.stars.cohen import cohen2021, iter_cohen2021
from bgrem_core.stars.cohen_code import _conduction
from bgrem_core.stars.diffusion import DiffusionSettings
from bgrem_core.stars.regions import large_groups

SLOW = {"code": slow_cohen.as_coded, "paper": slow_cohen.as_printed}
STEPS = 12
"""Past the sixth, the first that the local stop of the program can act on."""


def nebula(seed, shape=(26, 31), *, level=0.0, noise=9.0):
    """Return a noisy sky, partly below 0, with a nebula and stars."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    out = level + 90 * np.exp(-((y - 12) ** 2 / 60 + (x - 14) ** 2 / 90))
    for _ in range(5):
        j, i = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        out += rng.uniform(50, 250) * np.exp(-((y - j) ** 2 + (x - i) ** 2) / 1.5)
    return out + rng.normal(0, noise, shape)


def both(variant, image, **settings):
    """Return the steps of the package, and images and stops of the slow version."""
    names = {"iterations": "n", "sensitivity": "k"}
    numbers = {names.get(k, k): v for k, v in settings.items()}
    chosen = DiffusionSettings(variant=variant, **settings)
    slow = SLOW[variant](image, slow_cohen.Numbers(**numbers))
    return list(iter_cohen2021(image, chosen)), *slow


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("variant", ["code", "paper"])
def test_every_step_is_that_of_the_slow_version(variant, seed):
    image = nebula(seed)
    assert image.min() < 0
    steps, images, stops = both(
        variant, image, iterations=STEPS, background=15.0, window=6, group_size=12
    )
    assert [step.iteration for step in steps] == list(range(1, STEPS + 1))
    for step, want, stop in zip(steps, images, stops, strict=True):
        np.testing.assert_array_equal(step.stop, stop)
        np.testing.assert_allclose(step.image, want, rtol=0, atol=1e-9)
    # The stop must have acted for this to mean anything.
    acted = [step.stop.any() for step in steps]
    first = 4 if variant == "code" else 0
    assert not any(acted[:first])
    assert sum(acted[first:-1]) >= 4
    assert not all(step.stop.all() for step in steps)
    free = cohen2021(
        image, variant=variant, iterations=STEPS, background=15.0, window=6,
        group_size=10**6,
    )  # fmt: skip
    assert np.abs(free.image - steps[-1].image).max() > 0.1


@pytest.mark.parametrize("variant", ["code", "paper"])
@pytest.mark.parametrize(
    "settings",
    [
        {"gamma": 0.1, "scales": 2, "sensitivity": 30.0, "window": 5},
        {"signal_ratio": 1.2, "background_ratio": 0.3, "window": 24, "group_size": 3},
    ],
    ids=["steps", "regions"],
)
def test_every_setting_means_what_it_does_in_the_slow_version(variant, settings):
    image = nebula(7, (17, 21))
    settings = {"iterations": 7, "background": 25.0, "group_size": 8} | settings
    steps, images, stops = both(variant, image, **settings)
    np.testing.assert_array_equal(steps[-1].stop, stops[-1])
    np.testing.assert_allclose(steps[-1].image, images[-1], rtol=0, atol=1e-9)
    assert steps[-2].stop.any()


@pytest.mark.parametrize("variant", ["code", "paper"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 4), (10, 11), (11, 2)])
def test_images_smaller_than_the_scales_are_diffused_too(variant, shape):
    image = np.random.default_rng(5).normal(50, 30, shape)
    steps, images, _ = both(variant, image, iterations=7, background=10.0)
    np.testing.assert_allclose(steps[-1].image, images[-1], rtol=0, atol=1e-9)


def test_a_large_change_everywhere_stops_nothing_in_the_program():
    """Above a threshold of one grey level per step its marks are taken back."""
    image = nebula(4, noise=0) * 40
    settings = {"iterations": 7, "background": 600.0, "window": 6, "group_size": 5}
    steps, images, stops = both("code", image, **settings)
    signal = slow_cohen.window_mean(image, 6) / 600 >= 2.5
    assert steps[-1].residue[signal].mean() > 1
    assert large_groups(steps[-1].residue > 1, 5).any()
    assert not any(step.stop.any() for step in steps)
    np.testing.assert_array_equal(steps[-1].stop, stops[-1])
    np.testing.assert_allclose(steps[-1].image, images[-1], rtol=0, atol=1e-7)


def test_the_program_keeps_the_light_and_the_equations_do_not():
    image = nebula(6)
    settings = {"iterations": 30, "background": 15.0, "window": 6}
    coded = cohen2021(image, **settings).image
    assert coded.sum() == pytest.approx(image.sum(), rel=1e-12)
    printed = cohen2021(image, variant="paper", **settings).image
    assert abs(printed.sum() / image.sum() - 1) > 0.01


@pytest.mark.parametrize("variant", ["code", "paper"])
def test_what_is_shown_of_a_step_explains_it(variant):
    image = nebula(8)
    steps = list(iter_cohen2021(image, DiffusionSettings(
        variant=variant, iterations=9, background=15.0, window=6, group_size=10,
    )))  # fmt: skip
    before, step = steps[-2:]
    going = ~before.stop
    assert before.stop.any()
    free = 1 / (1 + step.asymmetry * step.enhancement)
    np.testing.assert_allclose(step.conduction[going], free[going], rtol=1e-12)
    bright = before.stop & (step.enhancement > np.exp(-1))
    assert bright.any()
    assert not step.conduction[bright].any()
    assert (step.residue >= 0).all()
    assert step.residue.any()
    assert not steps[0].residue.any() or variant == "paper"


def test_a_stopped_pixel_still_changes_in_the_program_and_not_in_the_equations():
    changes = {}
    for variant in ("code", "paper"):
        *_, before, step = iter_cohen2021(nebula(9), DiffusionSettings(
            variant=variant, iterations=9, background=15.0, window=6, group_size=10,
        ))  # fmt: skip
        assert before.stop.any()
        changes[variant] = np.abs(step.image - before.image)[before.stop]
    assert changes["code"].max() > 0.01
    assert changes["paper"].max() == 0


def test_where_the_program_divides_by_zero_its_limit_stands():
    apart, level = np.meshgrid([0.0, 0.5, 3.0], [-2.0, 0.0, 2.0])
    nearly = 1 / (1 + apart * np.exp(level / 0.02 - 1))
    got = _conduction(apart, np.exp(level - 1), level, np.ones(apart.shape, bool))
    np.testing.assert_allclose(got, nearly, atol=1e-30)
    going = _conduction(apart, np.exp(level - 1), level, np.zeros(apart.shape, bool))
    np.testing.assert_allclose(going, 1 / (1 + apart * np.exp(level - 1)))


@pytest.mark.parametrize("variant", ["code", "paper"])
def test_flat_and_very_bright_images_give_no_nan(variant):
    flat = cohen2021(np.full((20, 20), 200.0), variant=variant, iterations=8)
    np.testing.assert_allclose(flat.image, 200, rtol=1e-12)
    bright = np.full((30, 30), 1e5)  # its enhancement is beyond float64
    bright[10:12, 10:12] = 2e5
    out = cohen2021(bright, variant=variant, iterations=8)
    assert np.isfinite(out.image).all()
    assert np.isfinite(out.conduction).all()


def test_a_sky_pedestal_leaves_no_signal_and_the_error_says_so():
    image = nebula(2, level=1000)
    for variant in ("code", "paper"):
        with pytest.raises(
            ImageError, match=r"no pixel is 2\.5 times brighter than the background of "
            r"1000: .* 1\.\d+ times as bright.*pedestal",
        ):  # fmt: skip
            cohen2021(image, variant=variant, background=1000.0, iterations=1)
    assert cohen2021(image - 1000, background=15.0, window=6).iteration == 200


def test_pixels_that_are_not_finite_are_refused_at_the_call():
    image = nebula(2)
    image[3, 4] = np.nan
    with pytest.raises(ImageError, match="1 of 806 pixels are not finite"):
        iter_cohen2021(image)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gamma": 0.3}, "gamma=0.3 is out of range"),
        ({"iterations": 0}, "iterations=0 is out of range"),
        ({"variant": "fast"}, "variant='fast' is not known. use code or paper"),
        ({"background": 0.0}, "background=0.0 is out of range"),
        ({"window": 2.5}, "window=2.5 is not a whole number"),
    ],
)
def test_settings_out_of_range_are_named(settings, words):
    with pytest.raises(UsageError, match=words):
        cohen2021(np.ones((4, 4)), **settings)


def test_the_last_step_is_the_result_and_the_input_stays():
    image = nebula(3).astype(">f4")
    before = image.copy()
    settings = {"iterations": 6, "background": 15.0, "window": 6}
    steps = list(iter_cohen2021(image, DiffusionSettings(**settings)))
    for n in (1, 6):
        alone = cohen2021(image, **settings | {"iterations": n})
        np.testing.assert_array_equal(alone.image, steps[n - 1].image)
    np.testing.assert_array_equal(image, before)


def test_memory_does_not_grow_with_the_number_of_steps_and_stopping_is_free():
    image = nebula(1, (64, 64))

    def peak(steps):
        tracemalloc.start()
        for _ in islice(iter_cohen2021(image, endless), steps):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    endless = DiffusionSettings(iterations=100_000, background=15.0, window=6)
    peak(8)  # what is imported late is not counted below
    # Kept steps would take 72 images more; threads of other tests take some, too.
    assert peak(80) < peak(8) + 36 * image.nbytes


# Asymmetry


def test_a_round_star_is_symmetric_in_its_middle_and_an_edge_is_not():
    y, x = np.mgrid[:31, :31]
    star = 100 * np.exp(-((y - 15.0) ** 2 + (x - 15) ** 2) / 8)
    edge = 100.0 * (x > 15)
    assert mean_asymmetry(star, 5)[15, 15] == 0
    assert mean_asymmetry(edge, 5)[15, 15] == 300
    assert mean_asymmetry(edge, 5, axes=STRAIGHT_AXES)[15, 15] == 100


def test_the_asymmetry_at_the_edges_is_the_frame_or_that_of_repeated_pixels():
    image = np.random.default_rng(1).normal(0, 50, (12, 9))
    for p in (1, 3, 4, 6):
        framed = asymmetry(image, p, frame=1)
        np.testing.assert_allclose(framed, slow_cohen.coded_asymmetry(image, p))
    open_edges = mean_asymmetry(image, 6, axes=STRAIGHT_AXES)
    np.testing.assert_allclose(open_edges, slow_cohen.printed_asymmetry(image, 6))


# Published figures


@star_pictures.needs_pictures
@pytest.mark.parametrize(
    ("settings", "decibel", "likeness"),
    [
        ({}, 23.835, 0.908),
        ({"variant": "paper"}, 22.81, 0.888),
        ({"variant": "paper", "iterations": 50}, 23.48, 0.885),
    ],
    ids=["code", "paper 200", "paper 50"],
)
def test_the_row_of_cohen_and_lu_in_their_table_is_reproduced(
    settings, decibel, likeness
):
    truth, noisy = star_pictures.picture("2a"), star_pictures.picture("2d")
    out = cohen2021(noisy, **settings).image
    assert star_pictures.psnr(truth, out) == pytest.approx(decibel, abs=0.05)
    assert star_pictures.ssim(truth, out) == pytest.approx(likeness, abs=0.003)
    if not settings:
        published = star_pictures.picture("7e")
        assert star_pictures.psnr(published, out) > 40


def test_what_lessons_call_is_in_the_package_itself():
    image = nebula(1)
    chosen = {"iterations": 8, "background": 15.0, "window": 6}
    done = bgrem_core.cohen2021(image, **chosen)
    for name in ("asymmetry", "enhancement", "conduction", "residue", "stop"):
        assert getattr(done, name).shape == image.shape
    np.testing.assert_array_equal(done.image, cohen2021(image, **chosen).image)
    assert bgrem_core.perona_malik(image).shape == image.shape
    assert bgrem_core.chao_tsai(image).shape == image.shape
    assert bgrem_core.grey_map(image).to_grey(image).max() == 255
