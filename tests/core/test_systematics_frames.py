"""Frames of satellites: time, camera, odd ones, several, the command, a window."""

import copy
import dataclasses
import json

import numpy as np
import pytest
import satellite_frames
from astropy.io import fits
from astropy.table import QTable
from astropy.time import Time, TimeDelta
from hypothesis import given
from hypothesis import strategies as st

import bgrem_core
from bgrem_core import cli
from bgrem_core.controls import controls
from bgrem_core.errors import ImageError, ModelError, UsageError
from bgrem_core.image import MaskBit
from bgrem_core.methods import METHODS
from bgrem_core.models import find_card
from bgrem_core.session import Session
from bgrem_core.systematics.camera import check_camera, measure_scatter
from bgrem_core.systematics.mid_time import header_of, mid_time
from bgrem_core.systematics.trails import TrailShape

QUICKLY = ("--systematics-samples", "2", "--systematics-injections", "6")


def write(path, data, **cards):
    header = fits.Header({"DATE-OBS": "2024-03-05T01:02:03.5", "EXPTIME": 1.0, **cards})
    fits.writeto(path, np.asarray(data, "f4"), header, overwrite=True)
    return path


# Time


@pytest.mark.parametrize(
    ("cards", "wanted", "source"),
    [
        ({"DATE-AVG": "2024-03-05T01:02:03.25"}, "2024-03-05T01:02:03.25", "DATE-AVG"),
        ({"MJD-AVG": 60374.5}, "2024-03-05T12:00:00", "MJD-AVG"),
        (
            {"DATE-BEG": "2024-02-29T23:59:59", "DATE-END": "2024-03-01T00:00:02"},
            "2024-03-01T00:00:00.5",
            "middle of DATE-BEG and DATE-END",
        ),
        (
            {"DATE-OBS": "2024-12-31T23:59:59.5", "EXPTIME": 2},
            "2025-01-01T00:00:00.5",
            "DATE-OBS + EXPTIME / 2",
        ),
        ({"MJD-OBS": 60374.0, "EXPOSURE": 86400.0}, "2024-03-05T12:00:00", "MJD-OBS"),
        (
            {"DATE-OBS": "2024-03-05", "TIME-OBS": "01:02:03.5", "EXPTIME": 1.0},
            "2024-03-05T01:02:04",
            "DATE-OBS + EXPTIME / 2",
        ),
        (
            {"DATE-OBS": "05/03/98", "UT": "1:02:03", "XPOSURE": 0.0},
            "1998-03-05T01:02:03",
            "DATE-OBS + XPOSURE / 2",
        ),
        # The middle itself is better than what it would be made from.
        (
            {"DATE-OBS": "2024-03-05T00:00:00", "MJD-AVG": 60375.25},
            "2024-03-06T06:00:00",
            "MJD-AVG",
        ),
    ],
)
def test_the_middle_of_the_exposure_is_read_from_the_header(cards, wanted, source):
    found = mid_time(cards)
    assert found.known
    assert found.mjd == pytest.approx(Time(wanted, scale="utc").mjd, abs=1e-9)
    assert source in found.source
    assert abs(Time(found.iso, scale="utc").mjd - found.mjd) * 86400 < 1e-3


@pytest.mark.parametrize("scale", ["TAI", "TT", "TDB", "GPS", "UTC", "UT1"])
@pytest.mark.parametrize("date", ["1999-01-01T00:00:20", "2024-06-01T12:00:00.125"])
def test_time_scales_are_brought_to_utc(scale, date):
    found = mid_time({"DATE-AVG": date, "TIMESYS": scale})
    if scale == "GPS":  # GPS time is TAI - 19 s
        truth = (Time(date, scale="tai") + TimeDelta(19, format="sec")).utc
    elif scale == "UT1":  # within a second
        truth = Time(date, scale="utc")
    else:
        truth = Time(date, scale=scale.lower()).utc
    assert abs(found.mjd - truth.mjd) * 86400 < 3e-3
    assert found.scale == scale


@pytest.mark.parametrize(
    ("cards", "why"),
    [
        (None, "no DATE-OBS"),
        ({"DATE-OBS": "yesterday"}, "no DATE-OBS"),
        ({"DATE-OBS": "2024-13-05T01:02:03"}, "no DATE-OBS"),
        ({"DATE-OBS": "2024-03-05"}, "2024-03-05|no DATE-OBS"),
        ({"MJD-OBS": True, "DATE-OBS": 7}, "no DATE-OBS"),
        ({"DATE-OBS": "2024-03-05T01:02:03"}, "no exposure time"),
        ({"DATE-OBS": "2024-03-05T01:02:03", "EXPTIME": -1}, "no exposure time"),
        ({"DATE-OBS": "2024-03-05T01:02:03", "EXPTIME": "1"}, "no exposure time"),
        ({"DATE-AVG": "2024-03-05T01:02:03", "TIMESYS": "LOCAL"}, "TIMESYS"),
    ],
)
def test_a_time_that_is_not_there_is_not_made_up(cards, why):
    found = mid_time(cards)
    assert not found.known
    assert np.isnan(found.mjd)
    assert any(word in found.source for word in why.split("|"))


@given(
    day=st.integers(40000, 69000),
    second=st.floats(0, 86399.9),
    exposure=st.floats(0, 3e5),
)
def test_half_of_any_exposure_is_added(day, second, exposure):
    start = day + second / 86400
    found = mid_time({"MJD-OBS": start, "EXPTIME": exposure})
    assert found.mjd == pytest.approx(start + exposure / 2 / 86400, abs=1e-9)


def test_the_first_hdu_tells_the_time_of_an_extension(tmp_path):
    raw = satellite_frames.frame(3, (64, 64)).raw
    primary = fits.PrimaryHDU()
    primary.header["DATE-OBS"] = "2024-03-05T01:02:03"
    primary.header["EXPTIME"] = 2.0
    path = tmp_path / "many.fits"
    fits.HDUList([primary, fits.ImageHDU(raw, name="SCI")]).writeto(path)
    image = bgrem_core.open_image(path)
    assert mid_time(header_of(image)).iso == "2024-03-05T01:02:04.000"


# Camera


@pytest.fixture(scope="module")
def card():
    return find_card("satellites")


def test_scatter_is_measured_apart_from_light_and_patterns():
    for seed in (0, 3, 5):
        drawn = satellite_frames.frame(seed)
        seen = measure_scatter(drawn.raw)
        assert seen.white == pytest.approx(drawn.white, rel=0.06)
        pattern = drawn.pattern
        rows, columns = (pattern.mean(axis=k).std() / drawn.white for k in (1, 0))
        assert 0.5 * rows < seen.rows < 1.1 * rows
        assert seen.columns == pytest.approx(columns, abs=0.07)
        assert seen.breadth == pytest.approx(1, abs=0.06)


def test_frames_of_the_simulator_are_no_other_camera(card):
    for seed in range(12):
        drawn = satellite_frames.frame(seed)
        assert check_camera(measure_scatter(drawn.raw), None, card) == ()


def odd_frames():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(8)
    noise = rng.normal(100, 5, (128, 128))
    drawn = satellite_frames.frame(3)
    return {
        "white noise is 1.0": noise,
        "rows differ by 0.0": noise,
        "noise is shared by neighbouring pixels": gaussian_filter(drawn.raw, 0.7),
        "columns differ by": drawn.raw + 3 * drawn.white * rng.normal(size=128),
        "rows differ by": drawn.raw + 3 * drawn.white * rng.normal(size=(128, 1)),
    }


@pytest.mark.parametrize("word", list(odd_frames()))
def test_a_frame_of_another_camera_is_named_as_such(word, card):
    (said,) = check_camera(measure_scatter(odd_frames()[word]), None, card)
    assert "another camera" in said
    assert word in said
    assert "train on frames of it" in said


def test_trails_unlike_those_of_the_training_are_named(card):
    scatter = measure_scatter(satellite_frames.frame(3).raw)
    shape = TrailShape(
        angle=90, angle_err=0.5, length=60, length_err=0.2, width=2.0, fitted=3
    )
    (said,) = check_camera(scatter, shape, card)
    assert "trails run at 90 deg, trained were 34.5 to 35.5 degrees" in said
    assert "trails are long 60.0 pix" in said
    assert "trails are wide (FWHM) 4.7 pix" in said


# Odd frames


def quick_clean(data, **settings):
    chosen = {"samples": 2, "injections": 6, **settings}
    return bgrem_core.clean(data, method="systematics", **chosen)


@pytest.mark.parametrize("mode", ["one-step", "classical"])
def test_a_constant_frame_is_its_own_map(mode):
    done = quick_clean(np.full((64, 80), 7.0), mode=mode)
    np.testing.assert_array_equal(done.cleaned, 0)
    np.testing.assert_array_equal(np.asarray(done.part("systematics")), 7)
    assert any("no noise" in n for n in done.notices)
    assert len(bgrem_core.find_sources(done)) == 0
    assert np.isfinite(bgrem_core.measure(done, [9.0], [9.0])["flux"]).all()


@pytest.mark.parametrize("mode", ["one-step", "classical"])
@pytest.mark.parametrize("shape", [(16, 16), (20, 150), (47, 33)])
def test_a_frame_smaller_than_a_tile_is_mapped_and_said_to_be(mode, shape):
    raw = satellite_frames.frame(3, shape).raw
    done = quick_clean(raw, mode=mode)
    assert done.shape == shape
    assert np.isfinite(done.cleaned).all()
    np.testing.assert_array_equal(
        done.cleaned, raw - np.asarray(done.part("systematics"))
    )
    narrow = [n for n in done.notices if "narrower" in n]
    assert len(narrow) == (mode == "one-step")
    bgrem_core.find_sources(done)


def test_a_frame_below_16_pixels_is_refused():
    with pytest.raises(ImageError, match="small"):
        quick_clean(np.ones((8, 64)))


def test_saturated_trails_are_masked_and_nothing_rings_around_them():
    drawn = satellite_frames.frame(4)
    full = float(np.percentile(drawn.raw, 99.5))
    raw = np.minimum(drawn.raw, full)
    image = bgrem_core.open_image(raw, saturation=full, fwhm=satellite_frames.FWHM)
    done = quick_clean(image)
    saturated = raw >= full
    assert (done.flags[saturated] & MaskBit.SATURATED).all()
    from scipy.ndimage import binary_dilation

    near = binary_dilation(saturated, iterations=6) & ~binary_dilation(saturated)
    ring = done.cleaned[near] / drawn.white
    assert abs(np.median(ring)) < 1
    table = bgrem_core.find_sources(done)
    on = saturated[
        np.clip(np.rint(table["y"].value).astype(int), 0, 127),
        np.clip(np.rint(table["x"].value).astype(int), 0, 127),
    ]
    assert not on.any()
    assert any("saturated" in n for n in done.notices)


@pytest.mark.parametrize("mode", ["one-step", "classical"])
def test_nan_stays_nan_and_does_not_spread(mode):
    drawn = satellite_frames.frame(3)
    raw = drawn.raw.copy()
    raw[60:64, 80:95], raw[20] = np.nan, np.inf
    done = quick_clean(raw, mode=mode)
    bad = ~np.isfinite(raw)
    assert np.isnan(done.cleaned[60:64, 80:95]).all()
    assert np.isinf(done.cleaned[20]).all()
    assert np.isfinite(done.cleaned[~bad]).all()
    assert np.isnan(np.asarray(done.part("systematics"))[bad]).all()
    far = np.ones(raw.shape, bool)
    far[12:28], far[52:72, 72:103] = False, False
    whole = quick_clean(drawn.raw, mode=mode)
    assert np.std((done.cleaned - whole.cleaned)[far]) < 0.25 * drawn.white


def test_masked_pixels_lose_the_map_and_their_values_change_nothing():
    raw = satellite_frames.frame(3).raw
    mask = np.zeros(raw.shape, bool)
    mask[50:54, 20:60] = True
    maps = []
    for value in (0.0, 1e6):
        seen = np.where(mask, value, raw).astype("f4")
        image = bgrem_core.open_image(seen, mask=mask)
        done = quick_clean(image)
        maps.append(np.asarray(done.part("systematics")))
        np.testing.assert_array_equal(done.cleaned, seen - maps[-1])
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": "optical"}, ModelError, "is for the method bgrem.*mode classical"),
        ({"model": "no.safetensors"}, ModelError, "no.safetensors.*mode classical"),
        ({"mode": "best"}, UsageError, "mode='best'"),
        ({"margin": 40, "tile": 64}, UsageError, "margin=40 leaves nothing"),
    ],
)
def test_what_cannot_be_used_is_named(settings, error, message):
    with pytest.raises(error, match=message):
        quick_clean(satellite_frames.frame(3).raw, **settings)


def test_times_that_a_model_was_not_trained_for_are_refused(monkeypatch):
    from bgrem_core.methods import systematics

    whole = systematics.load_model("satellites")
    card = dataclasses.replace(
        whole.card, trained={**whole.card.trained, "t": [0, 499]}
    )
    model = copy.copy(whole)
    object.__setattr__(model, "card", card)
    monkeypatch.setattr(systematics, "load_model", lambda *_, **__: model)
    with pytest.raises(UsageError, match="t=700 is outside of the times 0 to 499"):
        quick_clean(satellite_frames.frame(3).raw, t=700)


# Several frames


@pytest.fixture
def night(tmp_path):
    """Write ten frames of a night with one hot pixel, the last two of another kind."""
    for k in range(10):
        drawn = satellite_frames.frame(30 + k, exposures=(1.0,))
        raw = drawn.raw.copy()
        raw[70, 40] += 30 * drawn.white
        minute = 20 * k
        write(
            tmp_path / f"n{k}.fits", raw,
            **{"DATE-OBS": f"2024-03-05T{minute // 60:02d}:{minute % 60:02d}:00"},
        )  # fmt: skip
    write(tmp_path / "n8.fits", np.ones((64, 64)) + np.eye(64))
    (tmp_path / "n9.fits").write_text("no frame")
    return tmp_path


def test_what_stands_still_over_many_frames_is_taken_off_only_if_asked_for(night):
    path = night / "n0.fits"
    alone = quick_clean(path, mode="classical")
    assert alone.cleaned[70, 40] > 20 * np.std(alone.cleaned)
    many = quick_clean(path, mode="classical", frames=str(night), dwell=1000.0)
    assert many.cleaned[70, 40] < 0.5 * alone.cleaned[70, 40]
    (said,) = (n for n in many.notices if "other frames" in n)
    assert "the same pixels of 7 other frames" in said
    assert "1 of another size" in said
    assert "1 cannot be read" in said
    assert "a target that stands still for longer than 1000 s" in said
    assert "without a dark or dithering" in said
    np.testing.assert_array_equal(
        many.cleaned, many.image.data - np.asarray(many.part("systematics"))
    )
    other = np.ones(many.shape, bool)
    other[66:75, 36:45] = False
    assert np.std((many.cleaned - alone.cleaned)[other]) < 0.1 * np.std(alone.cleaned)


def test_frames_within_the_dwell_are_left_out(night):
    with pytest.raises(UsageError, match=r"2 frames .*5 within 6600 s.*3 are needed"):
        quick_clean(
            night / "n0.fits", mode="classical", frames=str(night), dwell=6600.0
        )
    raw = satellite_frames.frame(3).raw
    with pytest.raises(UsageError, match="the time of this frame is not known"):
        quick_clean(raw, mode="classical", frames=str(night))


# Command and windows


def test_a_batch_of_mixed_sizes_goes_on_after_what_is_no_frame(tmp_path, capsys):
    paths = [
        write(tmp_path / "a.fits", satellite_frames.frame(3).raw),
        write(tmp_path / "b.fits", satellite_frames.frame(4, (90, 150)).raw),
        write(tmp_path / "c.fits", np.full((40, 40), 3.0)),
        tmp_path / "d.fits",
    ]
    paths[-1].write_text("this is no frame")
    arguments = ["--method", "systematics", "--catalog", ".ecsv", *QUICKLY]
    code = cli.main(["-f", *map(str, paths), *arguments])
    said = capsys.readouterr()
    assert code == 1
    assert "4 files: 3 done, 1 failed" in said.out
    assert "d.fits" in said.err
    assert said.err.count("\n") == 1
    for words in (
        "map by mode one-step (--systematics-mode)", "trails 3", "kept of a target",
        "mid-exposure 2024-03-05T01:02:04.000 UTC (DATE-OBS + EXPTIME / 2)",
        "targets from S/N 5 on (--threshold",
    ):  # fmt: skip
        assert words in said.out
    assert "--sky-scale" not in said.out
    for name, shape in (("a", (128, 128)), ("b", (90, 150)), ("c", (40, 40))):
        assert fits.getdata(tmp_path / f"BGRem_{name}.fits").shape == shape
        table = QTable.read(tmp_path / f"BGRem_{name}.ecsv")
        assert "kept_fraction" in table.colnames
    assert table.meta["time"]["iso"] == "2024-03-05T01:02:04.000"


def test_layers_add_up_in_the_file(tmp_path):
    raw = satellite_frames.frame(3).raw
    path = write(tmp_path / "a.fits", raw, BUNIT="adu")
    arguments = ["--model", "satellites", "--layers", "--quiet", *QUICKLY]
    # The card of the model names the method.
    assert cli.main(["-f", str(path), *arguments]) == 0
    with fits.open(tmp_path / "BGRem_a.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        assert names[1:] == ["SYSTEMATICS", "SPREAD", "RESIDUAL", "MASK", "SUBTRACTED"]
        np.testing.assert_array_equal(hdus[0].data, raw - hdus["SYSTEMATICS"].data)
        np.testing.assert_array_equal(hdus["SUBTRACTED"].data, hdus[0].data)
        assert hdus["SPREAD"].header["BUNIT"] == "adu"
        assert hdus[0].header["BGRMETH"] == "systematics"
        assert "BGRUSE" not in hdus[0].header


def test_command_and_python_give_equal_bits(tmp_path):
    path = write(tmp_path / "a.fits", satellite_frames.frame(3).raw)
    arguments = ["--method", "systematics", "--quiet", *QUICKLY]
    assert cli.main(["-f", str(path), *arguments]) == 0
    done = quick_clean(path)
    written = fits.getdata(tmp_path / "BGRem_a.fits")
    assert written.astype("f4").tobytes() == done.cleaned.tobytes()


def test_the_paper_mode_warns_before_it_starts(tmp_path, capsys):
    path = write(tmp_path / "a.fits", satellite_frames.frame(3, (64, 64)).raw)
    arguments = ["--systematics-mode", "paper", "--systematics-t", "5", *QUICKLY]
    assert cli.main(["-f", str(path), "--method", "systematics", *arguments]) == 0
    said = capsys.readouterr()
    assert "a.fits: mode paper: 18 calls of the network, about" in said.err
    assert "absorbs most of a target" in said.out


def test_json_has_what_was_measured(tmp_path, capsys):
    path = write(tmp_path / "a.fits", satellite_frames.frame(3).raw)
    arguments = ["--method", "systematics", "--json", *QUICKLY]
    assert cli.main(["-f", str(path), *arguments]) == 0
    (plane,) = json.loads(capsys.readouterr().out)["planes"]
    measured = plane["provenance"]["measured"]
    assert measured["kept"]["number"] == [1] * 6
    assert measured["trails"]["angle"] == pytest.approx(35, abs=2)
    assert measured["time"]["iso"] == "2024-03-05T01:02:04.000"


@pytest.mark.parametrize("kind", [".csv", ".fits", ".vot", ".reg", ".ecsv"])
def test_every_catalogue_can_be_written(kind, tmp_path):
    from bgrem_core.catalog import write_catalog

    raw = satellite_frames.frame(3).raw + satellite_frames.points(
        (128, 128), [64.0], [64.0], [3000.0]
    )
    done = quick_clean(raw.astype("f4"), mode="classical")
    table = bgrem_core.find_sources(done)
    assert len(table) >= 1
    path = write_catalog(table, tmp_path / f"targets{kind}")
    assert path.stat().st_size > 150


def test_a_preview_draws_little_and_puts_nothing_in():
    session = Session(bgrem_core.open_image(satellite_frames.frame(4, (128, 200)).raw))
    session.choose("systematics")
    session.preview((slice(0, 64), slice(8, 90)))
    assert session.wait(60)
    assert session.error is None
    settings = session.previewed.provenance.settings
    assert (settings["samples"], settings["injections"]) == (6, 0)
    assert session.previewed.shape == (64, 82)
    assert session.settings.samples == 20


def test_a_session_runs_finds_and_inspects():
    raw = satellite_frames.frame(3).raw + satellite_frames.points(
        (128, 128), [64.3], [64.1], [3000.0]
    )
    image = bgrem_core.open_image(raw.astype("f4"), fwhm=satellite_frames.FWHM)
    session = Session(image)
    session.choose("systematics", samples=2, injections=6)
    session.start()
    assert session.wait(60)
    session.find()
    assert session.wait(60)
    assert len(session.sources) >= 1
    seen = session.inspect(64, 64)
    assert seen.flux == pytest.approx(3000, rel=0.2)
    assert np.hypot(seen.x - 64.3, seen.y - 64.1) < 0.2
    assert "method='systematics'" in session.as_python()
    assert "samples=2" in session.as_python()


def test_forms_show_modes_and_numbers():
    made = {c.name: c for c in controls(METHODS["systematics"].settings)}
    assert made["mode"].choices == ("one-step", "paper", "classical")
    assert (made["mode"].default, made["samples"].default) == ("one-step", 20)
    assert made["t"].optional
    assert not made["samples"].advanced
    assert made["injections"].advanced
