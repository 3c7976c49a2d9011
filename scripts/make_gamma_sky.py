"""Make src/bgrem_core/simulate/data/gamma_sky.npz from public Fermi-LAT files.

The emission model is known as block means (v07, 1.5 x 1.375 deg) and its fine
structure from Model O (HEALPix nside 128): the product has the means of the one and
the filaments of the other. Number counts of 4FGL-DR4 are fitted for the constants in
gamma_sources.py, the exposure for the few coefficients that are stored.

python scripts/make_gamma_sky.py DATA [--out src/bgrem_core/simulate/data]
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.optimize import minimize

BAND = (1000.0, 2000.0)  # MeV
SAMPLES = 12  # per side of a block
CELLS = 6  # stored, per side of a block
STEP = 0.002  # of the stored natural log
PASSES = 3
DEGREE = 6  # of the exposure, as a polynomial of the unit vector
SR = 4 * np.pi


def main() -> None:
    """Read the data folder, write the map, print the fits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the five input files")
    parser.add_argument(
        "--out", type=Path, default=Path("src/bgrem_core/simulate/data")
    )
    args = parser.parse_args()
    blocks = read_blocks(args.data / "gll_iem_v07_blocks.fits")
    cells, error = sharpen(blocks, read_fine(args.data))
    print(f"emission model: block means {error:.4f} rms off in ln; {cells.shape}")
    powers, coefficients, rms = fit_exposure(
        np.load(args.data / "fermidata_exposure.npy"), DEGREE
    )
    print(f"exposure: degree {DEGREE}, rms {rms:.4f} of the mean")
    print(f"isotropic: {read_isotropic(args.data):.4e} ph / (cm2 s sr)")
    fit_counts(args.data / "4fgl_dr4_12.npz")
    log = np.round(np.log(cells) / STEP).astype(np.int16)
    path = args.out / "gamma_sky.npz"
    np.savez_compressed(
        path,
        # Differences along a row pack to a third.
        first=log[:, :1],
        steps=np.diff(log, axis=1),
        unit=np.float64(STEP),
        exposure_powers=powers.astype(np.int8),
        exposure=coefficients.astype(np.float32),
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, sha256 {digest}")


def read_blocks(path: Path) -> np.ndarray:
    """Return the intensity in the band, (131, 240) ph / (cm2 s sr)."""
    with fits.open(path) as file:
        cube = file[0].data.astype(float)
        energy = file[1].data["Energy"].astype(float)
    grid = np.geomspace(*BAND, 65)
    shape = cube.shape[1:]
    log = np.log(cube.reshape(len(energy), -1))
    place = np.interp(np.log(grid), np.log(energy), np.arange(len(energy)))
    low = np.floor(place).astype(int)
    part = (place - low)[:, None]
    spectrum = np.exp(log[low] * (1 - part) + log[low + 1] * part)
    return np.trapezoid(spectrum * grid[:, None], np.log(grid), axis=0).reshape(shape)


def read_isotropic(folder: Path) -> float:
    """Return the isotropic intensity in the band, ph / (cm2 s sr)."""
    energy, value = np.loadtxt(
        folder / "iso_P8R3_ULTRACLEANVETO_V3_FRONT_v1.txt", usecols=(0, 1)
    ).T
    order = np.argsort(energy)
    grid = np.geomspace(*BAND, 65)
    log = np.interp(np.log(grid), np.log(energy[order]), np.log(value[order]))
    return float(np.trapezoid(np.exp(log) * grid, np.log(grid)))


def read_fine(folder: Path) -> np.ndarray:
    """Return Model O on the sample grid, (131 * 12, 240 * 12), any unit."""
    whole = sum(
        np.load(folder / f"ModelO_r25_q1_{part}.npy") for part in ("pibrem", "ics")
    )
    b = -90.0625 + 1.375 * (np.arange(131 * SAMPLES) + 0.5) / SAMPLES
    lon = 180 - 1.5 * (np.arange(240 * SAMPLES) + 0.5) / SAMPLES
    # The blocks end 1/16 deg beyond the poles.
    return np.stack([ring_row(whole, v, lon) for v in np.clip(b, -90, 90)])


def ring_row(values: np.ndarray, b: float, lon: np.ndarray) -> np.ndarray:
    """Interpolate a HEALPix map (RING scheme) bilinearly at one latitude."""
    nside = int(np.sqrt(len(values) / 12))
    z = np.sin(np.radians(b))
    heights, starts, lengths, shifts = rings(nside)
    below = int(np.searchsorted(-heights, -z)) - 1  # last ring at or north of z
    out = []
    for ring in (below, below + 1):
        k = min(max(ring, 0), len(heights) - 1)
        place = (lon % 360) / 360 * lengths[k] - shifts[k]
        low = np.floor(place).astype(int)
        part = place - low
        pixels = values[starts[k] : starts[k] + lengths[k]]
        row = pixels[low % lengths[k]] * (1 - part) + pixels[(low + 1) % lengths[k]] * (
            part
        )
        # Beyond the first ring the pole itself, the mean of its four pixels.
        out.append(row if k == ring else np.full(len(lon), pixels.mean()))
    theta = np.arccos(np.clip(heights, -1, 1))
    north = theta[below] if below >= 0 else 0.0
    south = theta[below + 1] if below + 1 < len(theta) else np.pi
    part = (np.arccos(z) - north) / (south - north)
    return out[0] * (1 - part) + out[1] * part


def rings(nside: int) -> tuple[np.ndarray, ...]:
    """Return z, first pixel, number and shift of the first centre of each ring.

    Gorski et al. 2005 (ApJ 622, 759), equations 4 to 9.
    """
    i = np.arange(1, 4 * nside)
    mirror = np.minimum(i, 4 * nside - i)
    cap = mirror < nside
    length = np.where(cap, 4 * mirror, 4 * nside)
    z = np.where(
        cap,
        (1 - mirror**2 / (3 * nside**2)) * np.where(i < 2 * nside, 1, -1),
        4 / 3 - 2 * i / (3 * nside),
    )
    shift = np.where(cap | ((i - nside + 1) % 2 == 1), 0.5, 0.0)
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    return z, start, length, shift


def sharpen(blocks: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, float]:
    """Give the fine structure the block means; return cells and the rms that is left.

    The ratio is interpolated between block centres, so that no edges appear; the
    means are then not quite met and the next pass corrects the rest.
    """
    for _ in range(PASSES):
        ratio = np.log(blocks / binned(fine, SAMPLES))
        fine = fine * np.exp(widened(ratio, SAMPLES))
    cells = binned(fine, SAMPLES // CELLS)
    left = np.log(blocks / binned(cells, CELLS))
    return cells, float(np.sqrt(np.mean(left**2)))


def binned(values: np.ndarray, k: int) -> np.ndarray:
    """Return means of k x k samples."""
    ny, nx = values.shape
    return values.reshape(ny // k, k, nx // k, k).mean((1, 3))


def widened(values: np.ndarray, k: int) -> np.ndarray:
    """Interpolate bilinearly to k times the samples; columns wrap round."""
    ny, nx = values.shape
    y = np.clip((np.arange(ny * k) + 0.5) / k - 0.5, 0, ny - 1)
    x = (np.arange(nx * k) + 0.5) / k - 0.5
    iy = np.minimum(y.astype(int), ny - 2)
    ix = np.floor(x).astype(int)
    fy, fx = (y - iy)[:, None], x - ix
    rows = values[iy] * (1 - fy) + values[iy + 1] * fy
    return rows[:, ix % nx] * (1 - fx) + rows[:, (ix + 1) % nx] * fx


def fit_exposure(
    exposure: np.ndarray, degree: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit exposure / mean by monomials of the unit vector; return their powers too."""
    nside = int(np.sqrt(len(exposure) / 12))
    z, _, length, shift = rings(nside)
    z = np.repeat(z, length)
    phi = np.concatenate(
        [2 * np.pi * (np.arange(n) + s) / n for n, s in zip(length, shift, strict=True)]
    )
    flat = np.sqrt(1 - z**2)
    unit = np.stack([flat * np.cos(phi), flat * np.sin(phi), z])
    # z**2 = 1 - x**2 - y**2, hence no higher power of z is needed.
    powers = np.array(
        [
            (i, j, k)
            for k in (0, 1)
            for i in range(degree + 1 - k)
            for j in range(degree + 1 - k - i)
        ]
    )
    design = np.prod(unit[None] ** powers[:, :, None], axis=1).T
    target = exposure / exposure.mean()
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    return powers, coefficients, float(np.std(target - design @ coefficients))


def above(s: float, g1: float, knee: float, g2: float) -> float:
    """Return N(> s) of a broken power law, in units of its dN/dlnS at the knee."""
    return ((s / knee) ** -g1 - 1) / g1 + 1 / g2


def broken(s: np.ndarray, low: float, g1: float, knee: float, g2: float) -> np.ndarray:
    """Return dN/dS over N(> low)."""
    slope = np.where(s < knee, g1, g2)
    return (s / knee) ** -(slope + 1) / knee / above(low, g1, knee, g2)


def fit_counts(path: Path) -> None:
    """Print number counts as broken power laws, off the plane and in it."""
    with np.load(path) as data:
        point = ~data["ext"]
        flux, b, lon = (data[k][point].astype(float) for k in ("f", "b", "l"))
    lon = np.abs((lon + 180) % 360 - 180)
    off = (np.abs(b) > 20) & (flux > 1e-10)
    area = SR * (1 - np.sin(np.radians(20)))

    def off_cost(p: np.ndarray) -> float:
        return -np.sum(np.log(broken(flux[off], 1e-10, p[0], np.exp(p[1]), p[2])))

    best = minimize(off_cost, [0.9, np.log(1e-9), 1.4], method="Nelder-Mead").x
    density = off.sum() / area
    print(
        f"|b| > 20: N(>1e-10) = {density:.1f} / sr, slope {best[0]:.3f} below "
        f"{np.exp(best[1]):.3e}, {best[2]:.3f} above"
    )
    floor, edge = 5e-10, 30.0
    near = (np.abs(b) < edge) & (flux > floor)
    g1, knee, g2 = best[0], np.exp(best[1]), best[2]
    bright = density * above(floor, g1, knee, g2) / above(1e-10, g1, knee, g2)
    start = [
        *(np.log(1e4), np.log(0.5), np.log(70), 4.0, 0.6, np.log(2e-9), 1.2),
        *(np.log(1e3), np.log(5.0), np.log(20), 2.0, 1.0, np.log(2e-9), 1.3),
    ]
    fixed = bright * broken(flux[near], floor, g1, knee, g2)
    place = (flux[near], np.abs(b[near]), lon[near])
    bb, ll = np.linspace(0, edge, 1501), np.linspace(0, 180, 361)

    def cost(p: np.ndarray) -> float:
        if np.any(p[[3, 4, 6, 10, 11, 13]] < 0.05) or p[[5, 12]].min() < np.log(floor):
            return 1e9
        rate, whole = fixed, 0.0
        for q in (p[:7], p[7:]):
            peak, height, reach = np.exp(q[:3])
            rate = rate + peak * np.exp(-place[1] / height) / (
                1 + (place[2] / reach) ** q[3]
            ) * broken(place[0], floor, q[4], np.exp(q[5]), q[6])
            high = np.trapezoid(np.exp(-bb / height) * np.cos(np.radians(bb)), bb)
            wide = np.trapezoid(1 / (1 + (ll / reach) ** q[3]), ll)
            whole += 4 * peak * high * wide * np.radians(1) ** 2
        # Weak priors keep the slopes from running away.
        prior = 50 * np.sum((p[[4, 11]] - 0.7) ** 2) + np.sum((p[[3, 10]] - 3) ** 2)
        return float(whole - np.sum(np.log(rate)) + prior)

    for _ in range(4):
        start = minimize(
            cost, start, method="Nelder-Mead",
            options={"maxiter": 6000, "maxfev": 6000, "adaptive": True},
        ).x  # fmt: skip
    for name, q in (("disc", start[:7]), ("bulge", start[7:])):
        peak, height, reach = np.exp(q[:3])
        print(
            f"{name}: N(>{floor:g}) = {peak:.0f} / sr at the centre, height "
            f"{height:.3f} deg, reach {reach:.1f} deg to the power {q[3]:.2f}, slope "
            f"{q[4]:.3f} below {np.exp(q[5]):.3e}, {q[6]:.3f} above"
        )


if __name__ == "__main__":
    main()
