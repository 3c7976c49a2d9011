"""Rows 47 to 50: weights, accelerators, settings and units."""

import json
import pickle

import numpy as np
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from bgrem_core import clean, cli
from bgrem_core.models import Model, find_file
from rows.build import SIGMA, cleaned, noise, plain, save
from rows.kinds import EVERY, NETWORK, PYTHON, Case, Row

FILE = "model.safetensors"


def weights(make, name=FILE):
    def build(folder):
        plain(folder)
        (folder / name).write_bytes(make())

    return build


def parts():
    """Return the header and the numbers of weights that ship."""
    raw = find_file("optical").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(header, body):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def with_nan():
    header, body = parts()
    return joined(header, body[:-4] + np.float32(np.nan).tobytes())


def wrong_shape():
    header, body = parts()
    name = next(n for n, t in header.items() if len(t.get("shape", ())) == 4)
    header[name]["shape"] = header[name]["shape"][::-1]
    return joined(header, body)


def large(folder):
    plain(folder)
    with (folder / FILE).open("wb") as file:
        file.truncate(65 * 2**20)


def bad_model(name, make, words, file=FILE):
    build = make if make is large else weights(make, file)
    return Case(name=name, build=build, code=6, words=words, method="bgrem",
                settings={"model": file})  # fmt: skip


def absent(monkeypatch, folder):
    """Choose an accelerator that no machine has."""
    monkeypatch.setattr(
        "bgrem_core.models.choose_device", lambda d: "cpu" if d == "cpu" else "xpu:99"
    )


def lost(error):
    """Return a fault: an accelerator that works at first, and then fails so."""

    def fault(monkeypatch, folder):
        # Another name of the CPU stands for it.
        monkeypatch.setattr(
            "bgrem_core.models.choose_device",
            lambda d: "cpu" if d == "cpu" else "cpu:0",
        )
        forward, calls = Model._forward, []

        def fail(self, *asked):
            calls.append(self.device)
            if self.device != "cpu":
                raise error
            return forward(self, *asked)

        monkeypatch.setattr(Model, "_forward", fail)

    return fault


def out_of_memory(monkeypatch, folder):
    def fail(self, *asked):
        raise MemoryError

    monkeypatch.setattr(Model, "_forward", fail)


def same_on_the_cpu(folder, out):
    expected = clean("in.fits", method="bgrem", device="cpu").cleaned
    np.testing.assert_array_equal(cleaned(out)[0], expected)


def fallen_back(name, fault):
    return Case(name=name, build=plain, fault=fault, method="bgrem",
                check=same_on_the_cpu, notice="the CPU is used instead")  # fmt: skip


def setting(name, words, hint, **values):
    return Case(name=name, build=plain, method="bgrem", settings=values, code=2,
                words=words, hint=hint)  # fmt: skip


def in_units(unit, factor):
    def build(folder):
        hdu = fits.PrimaryHDU(noise() * np.float32(factor))
        hdu.header["BUNIT"] = unit
        save(folder / "in.fits", hdu)

    return build


def as_without_units(factor):
    def check(folder, out):
        expected = clean(noise(), method="mesh").cleaned
        found = cleaned(out)[0].astype(float) / np.float32(factor)
        # The level is subtracted: rounding of the input is what is left.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * SIGMA)

    return check


def free_of_scale(way, folder, monkeypatch, capsys):
    if way == NETWORK:
        expected = clean(noise(), method="bgrem", device="cpu").cleaned
        for factor in (1e-12, 1e-9, 1e12):
            save(folder / "in.fits", noise() * np.float32(factor), overwrite=True)
            words = ["-f", "in.fits", "--device", "cpu", "--overwrite"]
            assert cli.main(words) == 0
            found = cleaned(folder / "BGRem_in.fits")[0].astype(float) / factor
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * SIGMA)
        return
    expected = clean(noise(), method="mesh").cleaned

    @settings(max_examples=25)
    @given(st.floats(-12, 12))
    def holds(power):
        factor = np.float32(10.0**power)
        found = clean(noise() * factor, method="mesh").cleaned.astype(float) / factor
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * SIGMA)

    holds()


ROWS = (
    Row(
        number=47,
        title="weights: a pickle, wrong shapes, NaN, cut off, 10 GB, a bloated header",
        happens="exit 6 saying what is wrong; only safetensors are read, never more "
        "than 64 MB",
        because="65 MB stand for 10 GB: the size alone is looked at",
        cases=(
            bad_model("pickle", lambda: pickle.dumps({"a": 1}), "only safetensors are",
                      "model.pt"),
            bad_model("disguised", lambda: pickle.dumps("a") * 20, "header claims"),
            bad_model("archive", lambda: b"PK\x03\x04" + bytes(1000), "header"),
            bad_model("cut", lambda: joined(*parts())[:-99], "bytes of numbers"),
            bad_model("short", lambda: b"\xff" * 5, "shorter than 8"),
            bad_model("bloated", lambda: (2**40).to_bytes(8, "little") + b"{}",
                      "header claims"),
            bad_model("nan", with_nan, "not finite"),
            bad_model("shape", wrong_shape, "has shape"),
            bad_model("large", large, "65 MB, more than 64 MB"),
            Case(name="unknown", build=plain, code=6, words="no model 'no-such-model'",
                 hint="", method="bgrem", settings={"model": "no-such-model"}),
        ),
    ),
    Row(
        number=48,
        title="an accelerator that is absent, full, or lost while it works",
        happens="the CPU goes on with one notice, and gives the same result; exit 7 "
        "where the memory of the CPU is too small for a tile",
        because="by faults that are put in: no accelerator can be lost on demand",
        cases=(
            fallen_back("absent", absent),
            fallen_back("full", lost(RuntimeError("CUDA out of memory"))),
            fallen_back("lost", lost(RuntimeError("CUDA error: device-side assert"))),
            fallen_back("missing-op", lost(NotImplementedError("no MPS operator"))),
            Case(name="memory", build=plain, fault=out_of_memory, method="bgrem",
                 settings={"device": "cpu"}, code=7, words="needs more memory",
                 hint="use a smaller --tile"),
        ),
    ),
    Row(
        number=49,
        title="`--steps` 0 or 1e9, `-n` -1 or nan",
        happens="exit 2 with the range",
        cases=(
            setting("steps-0", "steps=0 is out of range", "from 1 to", steps=0),
            setting("steps-many", "steps=1000000000 is out of range", "from 1 to",
                    steps=1_000_000_000),
            setting("norm-negative", "norm=-1", "a number from 0 to", norm=-1.0),
            setting("norm-nan", "norm=nan is not a finite number", "a number from",
                    norm=float("nan")),
        ),
    ),
    Row(
        number=50,
        title="any unit: mJy/sr, ADU, electrons, counts of 1e-9",
        happens="the result scales with the input, to 1e-4 of the noise for factors of "
        "1e-12 to 1e12",
        cases=(
            *(
                Case(name=name, build=in_units(unit, factor), notice=f"unit {unit}",
                     check=as_without_units(factor), ways=EVERY)
                for name, unit, factor in (
                    ("surface", "mJy/sr", 1e-3), ("digital", "ADU", 1.0),
                    ("electrons", "electron", 30.0), ("small", "counts", 1e-12),
                    ("huge", "nJy", 1e12),
                )
            ),
            Case(name="factors", play=free_of_scale, ways=(PYTHON, NETWORK)),
        ),
    ),
)  # fmt: skip
