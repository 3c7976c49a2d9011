"""Section 6: another sky than that of the training.

Its structure below 1.5 deg is the simulator's synthetic one, and its emission is off by
a smooth field of 10 % rms (natural log), the same rms on every patch. The peer here is
the usual analysis, with an emission model: it lacks the smooth field alone, and its
norms are exactly right, which favours it.
"""

from typing import Any

import background
import detection
import flux
import scoring
from arms import EMISSION, EXACT, MESHES, NETWORK, Arm, mesh
from bench import Bench
from draws import FINE, WRONG

KIND = "wrong"


def run(bench: Bench) -> dict[str, Any]:
    truths = bench.each("truth", KIND)
    bands, weights = scoring.bands(truths), bench.weights(KIND)
    best = detection.tuned(bench)
    meshes = [m for m in map(mesh, MESHES) if any(m.name in v for v in best.values())]
    emission = Arm(name=EMISSION)
    arms = (Arm(name=EXACT), bench.network, emission, *meshes)
    sweeps = {a.name: detection.swept(bench, KIND, a.name) for a in arms}
    return {
        "fine": FINE,
        "rms": WRONG,
        "patches": {b: int(own.sum()) for b, own in bands.items()},
        "detection": detection.table(sweeps, best, bands, weights),
        "curves": detection.curves(sweeps, best, bands),
        "background": {
            a.name: background.errors(bench, KIND, a) for a in arms if a.name != EXACT
        },
        "flux": {
            a.name: flux.of_arm(bench, KIND, a)
            for a in arms
            if a.name in (NETWORK, EXACT, EMISSION)
        },
    }
