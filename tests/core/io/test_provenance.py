import json
import re
from types import MappingProxyType

import numpy as np
from astropy.io import fits

import bgrem_core
from bgrem_core.io.hdu import new_cards
from bgrem_core.io.made import Made, read_made
from bgrem_core.io.provenance import Provenance


def test_cards_say_everything_in_order():
    made = Provenance(version="1.2", method="bgrem", model="fast", gain=2.5, norm=0.25)
    cards = made.cards()
    keys = [
        "BGRVER", "BGRMETH", "BGRMODEL", "BGRHASH", "BGRSTEPS", "BGRNORM",
        "BGRSKY", "BGRSEED", "BGRTHR", "BGRGAIN", "BGRDATE", "HISTORY",
    ]  # fmt: skip
    assert [c[0] for c in cards] == keys
    values = {key: value for key, value, _ in cards}
    assert (values["BGRGAIN"], values["BGRNORM"]) == (2.5, 0.25)
    # FITS knows no NaN.
    assert values["BGRTHR"] is None
    assert values["HISTORY"] == "bgrem 1.2: method bgrem, model fast"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", values["BGRDATE"])
    header = fits.Header()
    header.extend(fits.Card(*card) for card in cards)
    assert fits.Header.fromstring(header.tostring())["BGRMODEL"] == "fast"


def test_an_unknown_gain_is_said_in_words():
    cards = Provenance(version="1", method="mesh").cards()
    assert ("BGRGAIN", "UNKNOWN") in [c[:2] for c in cards]


def test_date_follows_source_date_epoch(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    values = {c[0]: c[1] for c in Provenance(version="1", method="mesh").cards()}
    assert values["BGRDATE"] == "1970-01-01T00:00:00"


def test_as_dict_is_json():
    settings = MappingProxyType({"a": np.float32(0.5), "b": (1, None), "c": np.nan})
    made = Provenance(version="1", method="mesh", settings=settings)
    again = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert again["settings"] == {"a": 0.5, "b": [1, None], "c": None}
    assert again["threshold"] is None


def test_what_was_asked_comes_back_however_long_it_is(tmp_path):
    asked = {
        "method": "mesh",
        "error": "C'était/\N{SNOWMAN}/" + "long/" * 40,
        "tile": 64,
    }
    made = Provenance(version="1", method="mesh", input_sha256="ab" * 32, asked=asked)
    cards = [
        c for key, value, note in made.cards() for c in new_cards(key, value, note)
    ]
    path = tmp_path / "made.fits"
    fits.PrimaryHDU(header=fits.Header.fromstring(b"".join(cards))).writeto(path)
    assert read_made(path) == Made(input_sha256="ab" * 32, asked=asked)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2880] + b"cut off")
    assert read_made(path) is None


def test_a_result_written_from_python_does_not_say_what_a_command_was_asked(tmp_path):
    cards = fits.Header({"BGRVER": "1", "BGRINPUT": "ab", "BGRASKED": "{}"})
    fits.writeto(tmp_path / "in.fits", np.ones((32, 32), "f4"), cards)
    out = tmp_path / "out.fits"
    bgrem_core.write(bgrem_core.clean(tmp_path / "in.fits", method="mesh"), out)
    assert not {"BGRINPUT", "BGRASKED"} & set(fits.getheader(out))
    assert read_made(out) == Made()
