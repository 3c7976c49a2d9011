import json
import re
from types import MappingProxyType

import numpy as np
from astropy.io import fits

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
