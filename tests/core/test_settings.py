"""Settings are checked where they are made."""

import dataclasses

import pytest

from bgrem_core.errors import UsageError
from bgrem_core.methods import METHODS
from bgrem_core.methods.bgrem import BGRemSettings
from bgrem_core.settings import FindSettings, OpenSettings, RunSettings


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            RunSettings,
            {"tile": 3},
            "tile=3 is out of range. use a whole number from 64",
        ),
        (RunSettings, {"tile": 100.5}, "not a whole number"),
        (RunSettings, {"device": "tpu"}, "device='tpu' is not known. use auto or cpu"),
        (BGRemSettings, {"steps": 0}, "steps=0 is out of range"),
        (BGRemSettings, {"norm": -1.0}, "norm=-1.0 is out of range"),
        (BGRemSettings, {"norm": float("nan")}, "not a finite number"),
        (BGRemSettings, {"sky_scale": "big"}, "use auto or none or a whole number"),
        (BGRemSettings, {"strength": "much"}, "of the wrong kind"),
        (FindSettings, {"deep": 1}, "deep=1 is not True or False"),
        (OpenSettings, {"gain": 0.0}, "gain=0.0 is out of range"),
    ],
)
def test_a_wrong_value_is_refused_and_what_is_allowed_is_said(kind, values, message):
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        kind(**values)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_declares_help_for_every_field(method):
    fields = dataclasses.fields(method.settings)
    assert {f.name for f in dataclasses.fields(RunSettings)} <= {f.name for f in fields}
    assert all(f.metadata["help"] for f in fields)


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunSettings().tile = 128
