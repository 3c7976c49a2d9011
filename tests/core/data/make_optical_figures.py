"""Write what the shipped model does on one small frame: run after each export."""

import json
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

import bgrem_core
from bgrem_core.simulate import SceneSettings, draw_noise, draw_scene, draw_sky

SHAPE, FWHM, SIGMA_E = (768, 768), 4.3, 30.0
MATCH = 0.6  # FWHM


def figures() -> dict[str, float]:
    """Clean, search and measure one simulated frame.

    Returns
    -------
    dict of str to float
        Noise left in the denoised image, sky error, both in sigma; sources found that
        are true and false in the deep catalogue; coverage of UNCERT; median ratio of
        forced flux to true flux at S/N 10 to 100.
    """
    rng = np.random.default_rng(1234)
    settings = SceneSettings(
        fwhm=(FWHM, FWHM), density=(400, 400), galaxies=(0.4, 0.4), discs=0
    )
    scene = draw_scene(rng, shape=SHAPE, settings=settings)
    noise = draw_noise(rng, scene.source, sigma_e=SIGMA_E)
    sky = draw_sky(rng, shape=SHAPE, level=10)
    frame = (scene.source + noise + sky).astype(np.float32)
    result = bgrem_core.clean(frame, gain=SIGMA_E, sky_scale=64)
    t = scene.truth
    found = bgrem_core.find_sources(result, deep=True)
    places = np.stack([np.asarray(found[c], float) for c in ("x", "y")], 1)
    near = cKDTree(np.stack([t.x, t.y], 1)).query(places)[0] < MATCH * FWHM
    bright = (t.snr > 10) & (t.snr < 100) & (t.kind == 0)
    bright &= np.minimum.reduce([t.x, t.y, SHAPE[1] - t.x, SHAPE[0] - t.y]) > 30
    measured = bgrem_core.measure(result, t.x[bright], t.y[bright])
    ratio = np.asarray(measured["flux"], float) / t.flux[bright]
    denoised = frame - result.noise
    error = np.abs(denoised - scene.source - sky)
    inside = error <= np.asarray(result.uncertainty)
    return {
        "noise left, sigma": float(np.std((denoised - scene.source - sky)[error < 1])),
        "sky error, sigma": float(np.std(result.sky - sky)),
        "true": int(near.sum()),
        "false": int((~near).sum()),
        "within UNCERT": float(inside.mean()),
        "flux ratio": float(np.median(ratio)),
    }


if __name__ == "__main__":
    text = json.dumps({k: round(v, 4) for k, v in figures().items()}, indent=1)
    Path(__file__).with_name("optical_figures.json").write_text(text + "\n")
