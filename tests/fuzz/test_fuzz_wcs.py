"""World coordinates of any cards: none that work, or places; no crash, hang or bloat.

The parser is C. It works in a process of its own here, which it may end:
``python tests/fuzz/test_fuzz_wcs.py SEED NUMBER`` repeats one header.
"""

import os
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from astropy.io import fits
from fuzz_memory import peak

from bgrem_core.io.celestial import celestial_wcs, equatorial, without_equatorial

SECONDS = float(os.environ.get("BGREM_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("BGREM_FUZZ_SEED", "0"))
SHARE = 0.1
LONGEST, MEMORY = 5, 10**9

PROJECTIONS = (
    "TAN", "SIN", "ZPN", "SZP", "AZP", "STG", "ARC", "ZEA", "AIR", "CYP", "CEA", "CAR",
    "MER", "SFL", "PAR", "MOL", "AIT", "COP", "COE", "COD", "COO", "BON", "PCO", "TSC",
    "CSC", "QSC", "HPX", "XPH", "TPV", "TNX", "ZPX", "TAN-SIP", "TAB", "DSS", "NCP",
    "GLS", "LOG", "FOO",
)  # fmt: skip
SKIES = ("RA-- DEC-", "RA-- DEC-", "GLON GLAT", "ELON ELAT", "HPLN HPLT", "TLON TLAT")
NUMBERS = (
    0, 1, -1, 2, 3, 9, 10, 99, 1000, 30_000, 10**6, 10**9, 2**31, -(10**9), 0.5, 1e-4,
    -1e-4, 90.0, 180.0, -90.0, 360.0, 1e-300, 1e300,
)  # fmt: skip
WORDS = (
    "TPD", "SIP", "TPV", "Lookup", "Polynomial", "NAXES: 2", "NAXES: 1000000",
    "AXIS.1: 1", "AXIS.2: 99", "TPD.FWD.60: 1e300", "DOCORR: 1", "deg", "m", "",
    "RA---TAN", "WAVE-TAB", "VOPT-F2W", "STOKES", "CUBEFACE", "x" * 60, "2001-01-01",
    "9999-99-99", "wtype=zpx projp0=0. projp1=1. projp3=1e300",
    'wtype=tnx axtype=ra lngcor = "3. 1e9 1e9 2. -1. 1. -1. 1. 1. 2. 3. 4.',
)  # fmt: skip
NUMERIC = (
    "PV{i}_{n}", "PV{i}_{m}", "CD{i}_{j}", "PC{i}_{j}", "CDELT{i}", "CRVAL{i}",
    "CRPIX{i}", "CRPIX{m}", "CROTA{i}", "LONPOLE", "LATPOLE", "WCSAXES", "WCSAXESA",
    "A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER", "A_DMAX", "A_{n}_{j}", "B_{i}_{n}",
    "AP_{n}_{j}", "EQUINOX", "MJD-OBS", "MJDREF", "RESTFRQ", "VELREF", "OBSGEO-X",
    "WCSDIM", "CRVAL3B", "LTV1", "NAXIS1", "NAXIS", "TNAXIS",
)  # fmt: skip
TEXTUAL = (
    "PS{i}_{n}", "CTYPE{i}", "CTYPE{m}", "CUNIT{i}", "CNAME{i}", "CTYPE1A", "RADESYS",
    "DATE-OBS", "SPECSYS", "TIMESYS", "CPDIS{i}", "CQDIS{i}", "DP{i}", "DQ{i}",
    "D2IMDIS{i}", "WAT1_001", "WAT2_001", "WAT1_{m}",
)  # fmt: skip


def drawn(seed, number):
    """Return a header whose cards are those of some world coordinates, and others."""
    rng = random.Random(f"{seed} {number}")  # noqa: S311 - quicker than numpy's
    sky, projection = rng.choice(SKIES).split(), rng.choice(PROJECTIONS)
    cards = {
        "NAXIS": 2, "NAXIS1": 80, "NAXIS2": 64, "CRVAL1": 10.0, "CRVAL2": 20.0,
        "CTYPE1": f"{sky[0]}-{projection}", "CTYPE2": f"{sky[1]}-{projection}",
        "CRPIX1": 30.0, "CRPIX2": 40.0, "CD1_1": -1e-4, "CD2_2": 1e-4,
    }  # fmt: skip
    for key in rng.sample(sorted(cards), rng.randrange(2)):
        del cards[key]
    for _ in range(rng.randrange(10)):
        odd = rng.random() < 0.02
        numeric = rng.random() < 0.7
        key = rng.choice(NUMERIC if numeric else TEXTUAL)
        key = key.format(
            i=rng.randrange(1, 5), j=rng.randrange(1, 5), n=rng.randrange(10),
            m=rng.choice(("10", "39", "99", "999", "9999")),
        )  # fmt: skip
        value = rng.choice(NUMBERS) if numeric else rng.choice(WORDS)
        if numeric and rng.random() < 0.3:
            value = rng.uniform(-200, 200)
        cards[key[:8]] = "text" if odd else value
    return fits.Header(list(cards.items()))


def look(seed, number):
    """Ask for the places of a header; gives whether it has any."""
    header = drawn(seed, number)
    wcs = celestial_wcs(header)
    said = without_equatorial(header, wcs)
    if wcs is None:
        return False
    ra, dec = equatorial(wcs, np.array([0.0, 30, 1e4]), np.array([0.0, 40, -1e4]))
    assert ra.shape == dec.shape == (3,)
    assert not (said and np.isfinite(ra).any())
    return True


def say(*words):
    """Write a line that stays, whatever comes next."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(seed, number, seconds):
    """Look at header after header; say how many, and how many have places."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (8 * MEMORY, 8 * MEMORY))
    warnings.simplefilter("ignore")
    end, found, first = time.monotonic() + seconds, 0, number
    while True:
        say("at", number)
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        found += look(seed, number)
        number += 1
        if time.monotonic() >= end:
            break
    say(number - first, found, peak())


@pytest.mark.skipif(os.name == "nt", reason="no timers, no limits")
def test_any_world_coordinates_are_parsed_or_refused():
    command = [sys.executable, __file__, str(SEED), "0", str(SECONDS * SHARE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, (
        f"seed {SEED}, {last}: ended with {done.returncode}\n{done.stderr[-2000:]}"
    )
    number, found, held = map(int, last.split())
    assert held < MEMORY
    assert 0 < found < number


if __name__ == "__main__":
    seed, number, *seconds = sys.argv[1:]
    main(int(seed), int(number), float(seconds[0]) if seconds else 0)
