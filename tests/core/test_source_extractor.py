"""The recipe of docs/source-extractor.md, run as it is printed there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy.spatial import KDTree

from bgrem_core.catalog import SourceFlag
from bgrem_core.find import find_sources
from bgrem_core.settings import FindSettings

sys.path.insert(0, str(Path(__file__).parent))
import fields

PAGE = Path(__file__).parents[2] / "docs" / "source-extractor.md"
pytestmark = pytest.mark.skipif(
    shutil.which("source-extractor") is None, reason="no source-extractor here"
)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def sextractor(tmp_path_factory):
    """Columns of the catalogue that the recipe gives."""
    folder = tmp_path_factory.mktemp("sextractor")
    result = fields.denoised_result()
    layers = [
        fits.PrimaryHDU(result.cleaned),
        fits.ImageHDU(np.ones(result.shape, np.float32), name="RMS"),
        fits.ImageHDU(np.asarray(result.photometric), name="SUBTRACTED"),
    ]
    fits.HDUList(layers).writeto(folder / "BGRem_frame.fits")
    names = re.findall(r"`(bgrem\.\w+)`:", PAGE.read_text())
    for name, text in zip(names, blocks("text"), strict=True):
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "-c", blocks("python")[0]], cwd=folder, check=True)
    command = next(b for b in blocks("sh") if b.startswith("source-extractor"))
    subprocess.run(command.split(), cwd=folder, check=True)
    return np.loadtxt(folder / "sources.cat", ndmin=2)


def test_recipe_finds_our_sources_with_our_fluxes(sextractor):
    table = find_sources(
        fields.denoised_result(), FindSettings(threshold=0.5), threshold_of=None
    )
    theirs = KDTree(sextractor[:, 1:3] - 1)
    distance, index = theirs.query(
        np.stack([table["x"].value, table["y"].value], axis=1)
    )
    alone = (table["flags"] & (SourceFlag.BLENDED | SourceFlag.EDGE)) == 0
    bright = alone & (table["snr"] > 10)
    assert np.count_nonzero(bright) > 20
    assert np.mean(distance[bright] < 1) > 0.95
    both = bright & (distance < 1)
    # The same circle, diameter 6: total flux less the aperture correction.
    ours = table["flux"].value / table.meta["aperture_correction"]
    stars = both & ((table["flags"] & SourceFlag.EXTENDED) == 0)
    ratio = sextractor[index[stars], 3] / ours[stars]
    assert np.median(ratio) == pytest.approx(1, abs=0.03)
