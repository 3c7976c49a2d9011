"""Training on a user's own raw frames."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

torch = pytest.importorskip("torch")

from own_frames import RECIPE, fill, raw, recipe_file  # noqa: E402
from train_runs import assert_equal, curve  # noqa: E402

from bgrem_core.models import load_model  # noqa: E402
from bgrem_core.train import __main__ as command  # noqa: E402
from bgrem_core.train import frames as family  # noqa: E402
from bgrem_core.train import own  # noqa: E402
from bgrem_core.train.bench import recipe_of, trainer  # noqa: E402
from bgrem_core.train.collect import collect  # noqa: E402
from bgrem_core.train.frames import FRAMES, FrameData  # noqa: E402
from bgrem_core.train.start import read_start  # noqa: E402

SMALL = FrameData(batch=4, crop=32, cut=64)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _few_tiles(monkeypatch):
    monkeypatch.setattr(own, "_TILES", 4)


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("night") / "raw")


@pytest.fixture(scope="module")
def trained(night, tmp_path_factory):
    """One whole run of the command: its folder, and its arguments."""
    folder = tmp_path_factory.mktemp("trained")
    out = folder / "out"
    arguments = ["satellites", str(night), "--recipe", str(recipe_file(folder)),
                 "--out", str(out)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "_TILES", 4)
        assert command.main(arguments) == 0
    return out, arguments


def told(capsys, *arguments):
    """Run the command; return its code, what it printed, and its error."""
    code = command.main([str(a) for a in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_folder_is_trained_on_compared_and_exported(trained, capsys):
    out, arguments = trained
    model = load_model(str(out / "mine.safetensors"), device="cpu")
    card = model.card
    assert card.method == card.objective == "systematics"
    assert card.trained["frames"] == (6.0, 6.0)
    low, high = card.range("white_noise")
    assert 0.1 < low < high < 1.2
    assert card.training["steps"] == 6
    assert card.recipe == recipe_of(out).digest()
    rows = [row[0] for row in card.figures["table"][1:]]
    assert rows == ["the classical map", "satellites", "mine"]
    notes = card.figures["notes"]
    # Of six steps and four tiles nothing can be said.
    assert notes[0] == (
        "mine is NOT better on these frames than the classical map and than satellites"
    )
    for note, other in zip(notes[1:], rows[:2], strict=False):
        assert note.startswith(f"beside {other}: mean gain ")
        assert note.endswith(", not told apart within the errors")
    text = (out / "mine.md").read_text("utf-8")
    assert "`bgrem-train satellites FRAMES...`" in text
    assert "raw frames of the sensor whose\nframes were trained on" in text
    assert "Simulated raw frames only" not in text
    assert "as the package" not in text
    proof = json.loads((out / "proof.json").read_text())
    assert proof["weights"] == card.training["tensors"]
    assert set(proof["values"]) == set(rows)
    # A second time nothing is left to do, and nothing is replaced.
    before = (out / "mine.safetensors").stat().st_mtime_ns
    code, said, _ = told(capsys, *arguments)
    assert code == 0
    assert "holds these weights already; nothing was replaced" in said
    assert notes[0] in said
    assert "reading" not in said
    assert (out / "mine.safetensors").stat().st_mtime_ns == before


def test_a_run_that_was_stopped_ends_in_the_same_bits(trained, night, tmp_path, capsys):
    arguments = [*trained[1][:-1], tmp_path / "out"]
    code, said, _ = told(capsys, *arguments, "--max-seconds", "1e-9")
    assert code == 0
    assert "stopped after step 1 of 6" in said
    assert not (tmp_path / "out" / "mine.safetensors").exists()
    code, said, _ = told(capsys, *arguments)
    assert code == 0
    assert "reading" not in said
    assert "done: 6 steps" in said
    recipe = recipe_of(trained[0])
    assert recipe_of(tmp_path / "out") == recipe
    both = [trainer(recipe, f) for f in (trained[0], tmp_path / "out")]
    assert_equal(*both)
    assert curve(trained[0]) == curve(tmp_path / "out")
    files = [(f / "mine.md").read_text() for f in (trained[0], tmp_path / "out")]
    assert (
        files[0].split("## Figures")[1].split("## ")[0]
        == (files[1].split("## Figures")[1].split("## ")[0])
    )


def test_a_run_goes_on_without_its_frames_from_its_own_recipe(
    trained, tmp_path, capsys
):
    out = tmp_path / "out"
    arguments = [*trained[1][:-1], out]
    told(capsys, *arguments, "--max-seconds", "1e-9")
    own_recipe = ["satellites", "--recipe", out / "recipe.json", "--out", out]
    code, said, _ = told(capsys, *own_recipe)
    assert code == 0
    assert "mine is " in said
    assert (out / "mine.safetensors").is_file()


def test_frames_that_are_held_out_are_never_trained_on(tmp_path, monkeypatch):
    night = tmp_path / "raw"
    night.mkdir()
    rng = np.random.default_rng(5)
    for k in range(12):  # the last digit of every pixel tells the frame
        values = rng.normal(100, 8, (40, 48)).round() * 12 + k
        fits.writeto(night / f"{k}.fits", values.astype(np.int32))
    data = collect([night], SMALL, tmp_path, write=True)
    listed = json.loads((tmp_path / "frames.json").read_text())["frames"]
    parts = {held: {int(f["name"][:-5]) for f in listed if f["held_out"] is held}
             for held in (False, True)}  # fmt: skip
    assert (len(parts[False]), len(parts[True])) == (10, 2)
    assert (data.frames, data.held_out) == (10, 2)
    seen = {False: set(), True: set()}

    def spy(rng, source, **_):
        for _ in range(200):
            (number,) = set((source(rng) % 12).astype(int).ravel())
            seen[held].add(number)
        return {}

    monkeypatch.setattr(family, "draw_batch", spy)
    recipe = command.Recipe.from_dict({**RECIPE, "data": data})
    draw = FRAMES.prepare(recipe, tmp_path)
    for held in (False, True):
        draw(0, held_out=held)
    assert seen == parts


def test_the_split_depends_on_pixels_alone(night, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for k in range(8):
        shutil.copy(night / f"frame{k}.fits", other / f"z{9 - k}.fits")
    one = collect([night], SMALL, tmp_path / "a", write=False)
    files = sorted(other.iterdir(), reverse=True)
    assert collect(files, SMALL, tmp_path / "b", write=False) == one
    assert not (tmp_path / "a").exists()


def test_files_of_every_kind_give_the_same_frames(night, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for k in range(8):
        values = raw(k)
        path = mixed / f"frame{k}.fits"
        if k == 0:
            fits.writeto(path, values.astype(">f8"))
        elif k == 1:
            packed = fits.CompImageHDU(values.astype(np.int32))
            fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path)
        elif k == 2:
            image = fits.HDUList([fits.PrimaryHDU(values)])
            with gzip.open(mixed / "frame2.fits.gz", "wb") as file:
                image.writeto(file)
        else:
            fits.writeto(path, values.astype(">i4"))
    plain = collect([night], SMALL, tmp_path, write=False)
    assert collect([mixed], SMALL, tmp_path, write=False) == plain


def test_what_shares_an_exposure_shares_its_part(tmp_path, capsys):
    night = tmp_path / "raw"
    night.mkdir()
    for k in range(7):  # two sensors in each file
        sensors = [fits.ImageHDU(raw(10 * k + j), name=f"CCD{j}") for j in range(2)]
        fits.HDUList([fits.PrimaryHDU(), *sensors]).writeto(night / f"{k}.fits")
    # The planes of a cube are exposures of their own.
    fits.writeto(night / "cube.fits", np.stack([raw(90 + k) for k in range(4)]))
    data = collect([night], SMALL, tmp_path, write=True)
    listed = json.loads((tmp_path / "frames.json").read_text())["frames"]
    assert len(listed) == 18
    parts = {}
    for frame in listed:
        name = frame["name"]
        exposure = name if name.startswith("cube") else name.split("[")[0]
        parts.setdefault(exposure, set()).add(frame["held_out"])
    assert len(parts) == 11
    assert all(len(p) == 1 for p in parts.values())
    assert list(parts.values()).count({True}) == 2
    assert data.frames + data.held_out == 18
    assert {f["name"] for f in listed} >= {"0.fits[CCD1]", "cube.fits[3]"}


def spoil(values, share):
    out = values.astype(np.float32)
    out.ravel()[:: round(1 / share)] = np.nan
    return out


def header(**cards):
    return fits.Header(list(cards.items()))


ODD = {
    "notes.txt": (b"sunny", "not FITS: notes.txt"),
    "preview.png": (b"\x89PNG\r\n\x1a\n....", "not FITS: preview.png"),
    "cut.fits": (b"SIMPLE  =                    T", "cut.fits"),
    "small.fits": (raw(50, (30, 90)), "smaller than a crop of 32 x 32 pix: small.fits"),
    "flat.fits": (np.full((40, 48), 7, "u2"), "constant, or nearly so: flat.fits"),
    "nan.fits": (np.full((40, 48), np.nan), "no pixel of the image is finite: nan.f"),
    "holes.fits": (spoil(raw(51), 0.1), "5% of the pixels have no number: holes.fits"),
    "z.fits": (raw(3), "equal to frame3.fits: z.fits"),
    "bias.fits": ((raw(52), header(IMAGETYP="Bias Frame")), "calibration frames by th"),
    "clean.fits": ((raw(53), header(BGRVER="1")), "results of bgrem: clean.fits"),
    "table.fits": (None, "no HDU holds an image: 0 (empty), 1 (table): table.fits"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_trained_on_is_left_out_and_named(name, night, tmp_path, capsys):
    content, said = ODD[name]
    shutil.copytree(night, tmp_path / "raw")
    path = tmp_path / "raw" / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is None:
        rows = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
        fits.HDUList([fits.PrimaryHDU(), rows]).writeto(path)
    elif isinstance(content, tuple):
        fits.writeto(path, *content)
    else:
        fits.writeto(path, content)
    command._listen()
    data = collect([tmp_path / "raw"], SMALL, tmp_path, write=False)
    assert data.digest == collect([night], SMALL, tmp_path, write=False).digest
    lines = capsys.readouterr().out.splitlines()
    (line,) = [text for text in lines if text.startswith("left out")]
    assert said in line


def test_few_pixels_without_a_number_are_filled(night, tmp_path):
    shutil.copytree(night, tmp_path / "raw")
    holes = spoil(raw(51), 0.02)
    fits.writeto(tmp_path / "raw" / "holes.fits", holes)
    data = collect([tmp_path / "raw"], SMALL, tmp_path, write=True)
    assert data.frames + data.held_out == 9
    listed = json.loads((tmp_path / "frames.json").read_text())["frames"]
    (own_row,) = [f for f in listed if f["name"] == "holes.fits"]
    cut = np.load(tmp_path / "frames" / own_row["cuts"][0])
    assert np.isfinite(cut).all()
    known = np.isfinite(holes)
    np.testing.assert_array_equal(cut[known], holes[known])
    level = np.median(cut)
    assert np.all(np.abs(cut[~known] - level) < 5 * np.std(cut[known]))


def test_odd_sets_of_frames_are_told_and_trained_on(night, tmp_path, capsys):
    shutil.copytree(night, tmp_path / "raw")
    fits.writeto(tmp_path / "raw" / "large.fits", raw(60, (90, 100)))
    loud = raw(61).astype(np.float32)
    loud += np.random.default_rng(1).normal(0, 500, loud.shape).astype(np.float32)
    fits.writeto(tmp_path / "raw" / "loud.fits", loud)
    command._listen()
    data = collect([tmp_path / "raw"], SMALL, tmp_path, write=False)
    assert data.frames + data.held_out == 10
    said = capsys.readouterr().out
    assert "frames of 2 sizes, 48 x 40 to 100 x 90 pix: crops of 32 x 32 are" in said
    assert "noise more than 3 times higher or lower than the usual" in said
    assert ": loud.fits; frames of another camera" in said
    assert "Mpix in all are few" in said


def test_large_frames_are_cut_within_their_bounds(tmp_path):
    fill(tmp_path / "raw", 6, (200, 150))
    collect([tmp_path / "raw"], SMALL, tmp_path, write=True)
    cuts = family.cut_outs(tmp_path, recipe_digest(tmp_path), held_out=False)
    assert [len(own_cuts) for own_cuts in cuts] == [8] * 4
    assert {cut.shape for own_cuts in cuts for cut in own_cuts} == {(64, 64)}
    few = FrameData(batch=4, crop=32, cut=64, cuts=12)
    collect([tmp_path / "raw"], few, tmp_path / "few", write=True)
    cuts = family.cut_outs(
        tmp_path / "few", recipe_digest(tmp_path / "few"), held_out=True
    )
    assert [len(own_cuts) for own_cuts in cuts] == [2, 2]


def recipe_digest(folder):
    return json.loads((folder / "frames.json").read_text())["digest"]


def test_too_few_frames_are_refused_and_nothing_is_left(night, tmp_path, capsys):
    few = fill(tmp_path / "few", 5)
    (tmp_path / "none").mkdir()
    own_recipe = recipe_file(tmp_path)
    for source, number in ((few, 5), (tmp_path / "none", 0)):
        code, _, said = told(
            capsys, "satellites", source, "--recipe", own_recipe,
            "--out", tmp_path / "out",
        )  # fmt: skip
        assert code == 2
        assert f"{number} exposures that can be used are too few: at least 6" in said
        assert not (tmp_path / "out").exists()
    # With the crops of the shipped recipe these frames are all too small.
    code, out, said = told(capsys, "satellites", night, "--out", tmp_path / "out")
    assert code == 2
    assert "smaller than a crop of 128 x 128 pix: frame0.fits, " in out
    assert "and 3 more" in out
    assert "a recipe with a smaller crop" in said


def test_a_file_that_is_not_there_is_named(night, tmp_path, capsys):
    code, _, said = told(
        capsys, "satellites", night, tmp_path / "typo.fits", "--out", tmp_path / "out"
    )
    assert code == 3
    assert "typo.fits" in said
    assert not (tmp_path / "out").exists()


def test_weights_of_another_run_are_never_replaced(trained, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.safetensors").write_text("precious")
    code, said, error = told(capsys, *trained[1][:-1], out)
    assert code == 5
    assert "mine.safetensors exists. give another --name or --out" in error
    assert "step" not in said
    code, _, _ = told(
        capsys, *trained[1][:-1], out, "--name", "second", "--steps", "1"
    )  # fmt: skip
    assert code == 0
    assert (out / "second.safetensors").is_file()
    assert (out / "mine.safetensors").read_text() == "precious"


def test_weights_that_came_meanwhile_are_never_replaced(trained, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [*trained[1][:-1], out]
    told(capsys, *arguments, "--max-seconds", "1e-9")
    (out / "mine.safetensors").write_text("precious")
    code, _, error = told(capsys, *arguments)
    assert code == 5
    assert "mine.safetensors exists" in error
    assert (out / "mine.safetensors").read_text() == "precious"


def test_a_folder_of_other_frames_or_settings_is_left_alone(
    trained, night, tmp_path, capsys
):
    out = tmp_path / "out"
    shutil.copytree(trained[0], out)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.name != "lock"}
    more = tmp_path / "more"
    shutil.copytree(night, more)
    fits.writeto(more / "late.fits", raw(70))
    for source, *flags in ((more,), (night, "--steps", "9")):
        arguments = ["satellites", source, *trained[1][2:-1], out, *flags]
        code, _, said = told(capsys, *arguments)
        assert code == 2
        assert "belongs to another recipe" in said
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert set(before) == {p for p in out.rglob("*") if p.name != "lock"}


def test_a_training_begins_with_weights_and_is_compared_with_them(
    trained, night, tmp_path, capsys
):
    first = trained[0] / "mine.safetensors"
    wide = recipe_file(tmp_path, config={"widths": [16, 16, 16]}, name="second")
    out = tmp_path / "out"
    code, said, _ = told(
        capsys, "satellites", "--recipe", wide, "--from", first, "--steps", "2", night,
        "--out", out,
    )  # fmt: skip
    assert code == 0
    recipe = recipe_of(out)
    assert recipe.config["widths"] == [8, 12]  # those of the weights
    assert recipe.start == read_start(first).digest
    assert recipe.loop.steps == 2
    assert "second is NOT better on these frames than" in said
    card = load_model(str(out / "second.safetensors"), device="cpu").card
    assert [row[0] for row in card.figures["table"][1:]] == [
        "the classical map", str(first), "second",
    ]  # fmt: skip
    assert (
        "minutes more, from weights that were there" in (out / "second.md").read_text()
    )


def test_the_shipped_weights_can_be_tuned(night, tmp_path, capsys):
    recipe = recipe_file(tmp_path)
    code, said, _ = told(
        capsys, "satellites", night, "--from", "shipped", "--recipe", recipe,
        "--out", tmp_path / "out", "--max-seconds", "1e-9",
    )  # fmt: skip
    assert code == 0
    assert "stopped after step 1 of 6" in said
    shipped = read_start("satellites")
    assert recipe_of(tmp_path / "out").start == shipped.digest
    assert recipe_of(tmp_path / "out").config == shipped.config


REFUSED = {
    "frames for another model": (["optical", "NIGHT"], "optical is not trained on"),
    "a recipe that simulates": (
        ["satellites", "NIGHT", "--recipe", "cpu"], "the recipe cpu simulates its",
    ),
    "frames that were not given": (
        ["satellites", "--recipe", "tune"], "own frames, and none were given",
    ),
    "a name that ships": (
        ["satellites", "NIGHT", "--name", "optical"], "the name of weights that ship",
    ),
    "a name that is a path": (
        ["satellites", "NIGHT", "--name", "a/b"], "name='a/b' is no plain word",
    ),
    "weights of another kind": (
        ["satellites", "NIGHT", "--recipe", "RECIPE", "--from", "gamma"],
        "trains the network context, not 'expectation'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_together_is_refused(case, night, tmp_path, capsys):
    arguments, said = REFUSED[case]
    words = {"NIGHT": str(night), "RECIPE": str(recipe_file(tmp_path))}
    arguments = [words.get(a, a) for a in arguments]
    code, _, error = told(capsys, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert said in error
    assert not (tmp_path / "out" / "state.safetensors").exists()


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_steps_that_are_no_number_are_refused(text, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["satellites", f"--steps={text}"])
    assert f"invalid number of steps: '{text}'" in capsys.readouterr().err


def test_damaged_cut_outs_are_named_and_made_again(trained, night, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [*trained[1][:-1], out]
    told(capsys, *arguments, "--max-seconds", "1e-9")
    path = min((out / "frames").iterdir())
    good = path.read_bytes()
    path.write_bytes(good[:100])
    code, _, said = told(capsys, *arguments)
    assert code == 3
    assert f"the cut-outs of frames {path} are damaged" in said
    path.unlink()
    code, _, _ = told(capsys, *arguments, "--max-seconds", "1e-9")
    assert code == 0
    assert path.read_bytes() == good
    (out / "frames.json").write_text("{")
    own_recipe = ["satellites", "--recipe", out / "recipe.json", "--out", out]
    code, _, said = told(capsys, *own_recipe)
    assert code == 3
    assert "frames.json cannot be read. run the same command again, with" in said


def test_frames_without_a_scatter_are_drawn_again(tmp_path):
    # One half of the frame is dead: crops of it would teach nothing.
    fill(tmp_path / "raw", 6, (40, 120))
    for k in range(6):
        with fits.open(tmp_path / "raw" / f"frame{k}.fits", "update") as image:
            image[0].data[:, 60:] = 1000
    data = collect(
        [tmp_path / "raw"], FrameData(crop=32, cut=120), tmp_path, write=True
    )
    recipe = command.Recipe.from_dict({**RECIPE, "data": data})
    draw = FRAMES.prepare(recipe, tmp_path)
    for step in range(8):
        batch = draw(step, held_out=False)
        x0 = batch["x"] - batch["eps"] * 0
        assert np.all(x0.std(axis=(1, 2, 3)) > 0.5)


def test_no_file_is_held_open(trained):
    listed = Path("/proc/self/fd")
    if not listed.is_dir():
        pytest.skip("no list of open files here")
    digest = recipe_of(trained[0]).data.digest
    before = len(list(listed.iterdir()))
    cuts = family.cut_outs(trained[0], digest, held_out=False)
    parts = [cut[:8, :8] for own_cuts in cuts for cut in own_cuts]
    assert len(list(listed.iterdir())) == before
    assert {p.shape for p in parts} == {(8, 8)}


def test_the_help_says_how_frames_are_given(capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "[FRAMES ...]" in said
    assert "your own raw frames, FITS files and folders of them" in said
