"""A form has a control for every field, and gives back what the settings take."""

import dataclasses
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.controls import controls, parse, text_of
from bgrem_core.errors import UsageError
from bgrem_core.methods import METHODS
from bgrem_core.settings import (
    FindSettings,
    OpenSettings,
    OutputSettings,
    RunSettings,
)

sys.path.insert(0, str(Path(__file__).parent))
from toy import ToySettings

KINDS = [
    RunSettings,
    FindSettings,
    OpenSettings,
    OutputSettings,
    ToySettings,
    *(method.settings for method in METHODS.values()),
]
ALL = [(kind, control) for kind in KINDS for control in controls(kind)]


def get(kind, name):
    return next(c for c in controls(kind) if c.name == name)


def names(kind):
    return [c.name for c in controls(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_one_control(kind):
    assert sorted(names(kind)) == sorted(f.name for f in dataclasses.fields(kind))


@pytest.mark.parametrize(("kind", "control"), ALL)
def test_a_control_is_complete_and_its_default_comes_back(kind, control):
    assert control.label[0].isupper()
    assert "_" not in control.label
    assert control.help
    back = parse(control, text_of(control.default))
    assert back == control.default
    assert type(back) is type(control.default)
    assert parse(control, "  ") == (None if control.optional else control.default)
    if control.kind != "text":
        assert parse(control, str(control.default)) == control.default


@pytest.mark.parametrize(("kind", "control"), ALL)
def test_what_a_control_allows_is_what_the_settings_take(kind, control):
    said = [*control.choices, *(v for v in (control.low, control.high) if v)]
    said += ["yes", "no"] if control.kind == "flag" else []
    for word in map(str, said):
        kind(**{control.name: parse(control, word)})


def test_plain_fields_of_the_method_come_first_and_advanced_ones_last():
    bgrem = names(METHODS["bgrem"].settings)
    assert bgrem[:4] == ["model", "sky_scale", "steps", "strength"]
    assert bgrem[4:8] == ["norm", "normalizer", "minimum", "uncertainty"]
    assert bgrem[8:] == [f.name for f in dataclasses.fields(RunSettings)]
    assert names(ToySettings)[:3] == ["level", "mood", "tile"]
    plain = [not c.advanced for c in controls(FindSettings)]
    assert plain == sorted(plain, reverse=True)


def test_labels_are_words():
    assert get(METHODS["mesh"].settings, "sky_scale").label == "Sky scale"
    assert get(FindSettings, "on").label == "Find on"
    assert get(OpenSettings, "fwhm").label == "FWHM"
    assert get(OpenSettings, "dq_bits").label == "DQ bits"


def test_the_sky_scale_takes_words_and_whole_numbers():
    control = get(METHODS["mesh"].settings, "sky_scale")
    assert (control.kind, control.free, control.whole) == ("choice", True, True)
    assert (control.choices, control.unit) == (("auto", "none"), "pix")
    assert (control.low, control.high) == (8, 100000)
    assert parse(control, "Auto") == "auto"
    assert parse(control, "none") == "none"
    assert parse(control, " 256 ") == 256
    with pytest.raises(UsageError, match=r"Sky scale 'soft' is not understood.* use"):
        raise_for(control, "soft")
    with pytest.raises(UsageError, match=r"none or a whole number from 8 to 1000"):
        raise_for(control, "7")


def raise_for(control, text):
    """Raise the error with its sentence and hint as one text."""
    try:
        parse(control, text)
    except UsageError as error:
        raise UsageError(f"{error.sentence}: {error.hint}") from error


@pytest.mark.parametrize(
    ("kind", "name", "text", "message"),
    [
        (FindSettings, "threshold", "five", "Threshold 'five' is not a number"),
        (FindSettings, "threshold", "nan", "not a finite number"),
        (FindSettings, "threshold", "0", "out of range"),
        (FindSettings, "minarea", "2.5", "not a whole number"),
        (FindSettings, "minarea", "9" * 5000, "Least area '9999"),
        (FindSettings, "on", "dark", "'dark' is not known"),
        (FindSettings, "deep", "perhaps", "is not yes or no"),
        (RunSettings, "tile", "1e999", "not a finite number"),
    ],
)
def test_nonsense_is_refused_with_a_hint(kind, name, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse(get(kind, name), text)
    assert caught.value.hint.startswith("use ")
    assert len(str(caught.value)) < 200


def test_a_switch_that_may_be_open_has_three_states():
    control = get(FindSettings, "filter")
    assert (control.kind, control.optional) == ("flag", True)
    said = [parse(control, text) for text in ("", "yes", "Off", "none")]
    assert said == [None, True, False, None]


def test_an_optional_number_says_that_it_may_be_left_empty():
    with pytest.raises(UsageError, match="or leave it empty"):
        parse(get(METHODS["bgrem"].settings, "steps"), "many")


@given(st.sampled_from(ALL), st.text(max_size=30))
def test_any_text_gives_a_value_that_settings_take_or_a_usage_error(case, text):
    kind, control = case
    try:
        value = parse(control, text)
    except UsageError:
        return
    assert getattr(kind(**{control.name: value}), control.name) == value


@given(
    st.sampled_from([c for c in ALL if c[1].kind in ("whole", "number")]),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
)
def test_numbers_come_back_if_the_settings_take_them(case, number):
    kind, control = case
    try:
        kind(**{control.name: number})
    except UsageError:
        with pytest.raises(UsageError):
            parse(control, str(number))
    else:
        back = parse(control, str(number))
        assert math.isclose(back, number, rel_tol=1e-15)
        assert isinstance(back, int if control.whole else float)


def test_a_form_says_what_nothing_means():
    shown = {c.name: c.empty for c in controls(METHODS["gamma"].settings)}
    assert shown["exposure"] == "unknown"
    assert shown["margin"] == "auto"
