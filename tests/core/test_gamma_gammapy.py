"""Flux and test statistic of a source in photons, against those of gammapy."""

import locale

import numpy as np
import pytest
from gamma_maps import PSF, expected, held_out, photons

from bgrem_core.gamma.search import REACH, find_points, fit_points
from bgrem_core.simulate.gamma_psf import profile

pytest.importorskip("gammapy", exc_type=ImportError)
if locale.getencoding().lower() not in ("utf-8", "utf8"):
    # One of its packages reads a text of its own in the encoding of the locale.
    pytest.skip("gammapy needs a locale of UTF-8", allow_module_level=True)
SIDE = 36
EXPOSURE = 1e11


def estimate(counts, background):
    """Give the TS and counts of a source at the centre of each pixel, by gammapy.

    Its kernel is as wide as the window of our fits. NaN near the edges.
    """
    import astropy.units as u
    from gammapy.datasets import MapDataset
    from gammapy.estimators import TSMapEstimator
    from gammapy.irf import PSFMap
    from gammapy.maps import Map, MapAxis, WcsGeom, WcsNDMap
    from gammapy.modeling.models import (
        PointSpatialModel,
        PowerLawSpectralModel,
        SkyModel,
    )

    where = {"frame": "galactic", "skydir": (40, 50)}
    edges = [1, 2] * u.GeV
    energy = MapAxis.from_energy_edges(edges)
    true = MapAxis.from_energy_edges(edges, name="energy_true")
    geom = WcsGeom.create(
        npix=counts.shape[::-1], binsz=PSF.pixel, proj="TAN", axes=[energy], **where
    )
    rad = MapAxis.from_edges(np.linspace(0, 4, 801) * u.deg, name="rad")
    wide = WcsGeom.create(npix=1, binsz=180, axes=[rad, true], **where)
    shape = profile(rad.center.to_value("deg")).reshape(1, -1, 1, 1)
    exposure = Map.from_geom(geom.to_image().to_cube([true]), unit="cm2 s")
    exposure.data[:] = EXPOSURE
    dataset = MapDataset(
        counts=WcsNDMap(geom, counts[None].astype(float)),
        background=WcsNDMap(geom, background[None].astype(float)),
        exposure=exposure,
        psf=PSFMap(WcsNDMap(wide, data=shape, unit="deg-2")),
    )
    model = SkyModel(
        spatial_model=PointSpatialModel(frame="galactic"),
        spectral_model=PowerLawSpectralModel(
            index=2.4, amplitude="1e-10 cm-2 s-1 GeV-1", reference="1.4 GeV"
        ),
    )
    width = (2 * REACH + 1) * PSF.pixel * u.deg
    found = TSMapEstimator(
        model, kernel_width=width, selection_optional=[], energy_edges=edges
    ).run(dataset)
    return found.ts.data[0], found.npred_excess.data[0]


@pytest.mark.parametrize("k", [3, 5])
def test_ts_and_photons_at_pixels_are_those_of_gammapy(k):
    patch, counts = held_out(k)
    # Other sources are left in: a place has a TS by whatever lies under it.
    counts, background = (a[:SIDE, :SIDE] for a in (counts, patch.background))
    ts, photons_ = estimate(counts, background)
    y, x = (c.ravel() for c in np.mgrid[8 : SIDE - 8, 8 : SIDE - 8])
    ours = fit_points(counts, background, PSF, x.astype(float), y.astype(float))
    theirs = ts[y, x]
    # gammapy allows negative sources, and gives them a TS, too.
    positive = photons_[y, x] > 0.5
    assert positive.sum() > 100
    assert theirs[positive].max() > 40
    np.testing.assert_allclose(
        ours.ts[positive], theirs[positive], rtol=0.02, atol=0.05
    )
    # The two kernels hold 1 % more or less of the photons in the window.
    np.testing.assert_allclose(
        ours.counts[positive], photons_[y, x][positive], rtol=0.03, atol=0.15
    )
    assert (ours.counts[photons_[y, x] < -0.5] == 0).all()


@pytest.mark.parametrize(("place", "amount"), [((17, 18), 90), ((20.4, 15.3), 300)])
def test_a_source_that_is_found_is_the_peak_of_the_map_of_gammapy(place, amount):
    level = np.full((SIDE, SIDE), 3.0)
    seen = photons(expected((SIDE, SIDE), [(*place, amount)], level), seed=amount)
    found = find_points(seen, level, PSF, least=25)
    assert len(found) == 1
    ts, _ = estimate(seen, level)
    inner = ts[8:-8, 8:-8]
    y, x = (int(c) + 8 for c in np.unravel_index(np.argmax(inner), inner.shape))
    assert abs(found.x[0] - x) <= 1
    assert abs(found.y[0] - y) <= 1
    # The best place lies between pixels: never lower, not much higher.
    assert 0.99 * ts[y, x] < found.ts[0] < 1.15 * ts[y, x] + 2
