"""What a noise scale that is told wrong costs, with the best recipe of each arm."""

from typing import Any

import numpy as np
from arms import CENTRES, centre_arm, model_arm
from cache import Cache
from denoiser import Denoiser
from detection import BOOTSTRAP_SEED, ArmOnKind, Prepared, by_place
from frames import Frame
from read_off import PRIMARY_CAP, bootstrap, bounds, read_off

TOLD = (0.7, 1.0, 1.4)


def run(
    kinds: dict[str, list[Frame]],
    denoisers: dict[str, Denoiser],
    best: dict[tuple[str, str], str],
    cache: Cache,
) -> dict[str, Any]:
    """Return true positives at the cap over those with the right scale.

    Parameters
    ----------
    kinds : dict
        Frames by kind.
    denoisers : dict
        Models by the name of their arm; several arms may share one.
    best : dict
        Recipe by kind and arm.
    cache : Cache
        Of the counts.
    """
    out: dict[str, Any] = {}
    for kind, frames in kinds.items():
        for name, denoise in denoisers.items():
            print(f"noise scale told wrong, {kind}: {name}", flush=True)
            prepared = Prepared(frames, cache)
            area = float(prepared.area.sum())
            sweeps = []
            for told in TOLD:
                make = centre_arm if name == CENTRES else model_arm
                arm = ArmOnKind(prepared, name, make(denoise, told=told))
                counts = arm.sweep(best[kind, name]).counts
                sweeps.append(by_place(counts, frames))
            true = [float(read_off(s, area, PRIMARY_CAP)[0]) for s in sweeps]
            draws = bootstrap(sweeps, area, np.random.default_rng(BOOTSTRAP_SEED))
            right = TOLD.index(1.0)
            out.setdefault(kind, {})[name] = {
                f"{told:g}": [
                    round(true[k] / max(true[right], 1e-9), 4),
                    *bounds(draws[k] / np.maximum(draws[right], 1e-9)),
                ]
                for k, told in enumerate(TOLD)
            }
    return out
