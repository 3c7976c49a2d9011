"""The sample frames are whole and known by name."""

import hashlib
import re

import pytest

from bgrem_core import open_image, samples
from bgrem_core.errors import UsageError


def test_every_sample_has_the_hash_that_its_readme_says():
    readme = samples.path("decam_r").with_name("README.md").read_text("utf-8")
    lines = re.findall(r"^([0-9a-f]{64})  (\S+)$", readme, re.MULTILINE)
    said = {name: sha for sha, name in lines}
    files = [samples.path(name) for name in samples.names()]
    assert {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files} == said


@pytest.mark.parametrize(
    ("name", "shape"),
    [("cfhtls_g", (440, 440)), ("decam_i", (256, 256)), ("decam_r", (375, 280))],
)
def test_a_sample_opens_with_its_wcs(name, shape):
    image = open_image(samples.path(name))
    assert image.shape == shape
    assert image.wcs is not None


def test_an_unknown_sample_is_named():
    with pytest.raises(UsageError, match=r"'m31' is not known.*cfhtls_g, decam_i"):
        samples.path("m31")
