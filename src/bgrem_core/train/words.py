"""What a model card says in words, by the objective of the model."""

from dataclasses import dataclass

__all__ = ["WORDS", "Words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Sentences of a card that no run decides.

    Attributes
    ----------
    use : str
        What the model is for, and how numbers go in and come out.
    not_for : str
        What it must not be used for.
    data : str
        What it was trained on.
    failures : str
        Known failures, as a list.
    """

    use: str
    not_for: str
    data: str
    failures: str


_OPTICAL_DATA = """\
Simulated fields only, drawn from seeds by `bgrem_core.simulate`: no telescope data, no
third party's data. Point sources, exponential and de Vaucouleurs galaxies, large faint
discs, Moffat PSF."""

_NOISE = Words(
    use="""\
Detection and viewing of linear optical images: takes the zero-mean pixel noise away;
sky, planes and faint extended light are kept, and the sky is measured afterwards. The
image goes in as (image - offset) / sigma of the sky, with the noise's neighbour
correlation and, if known, sigma in electrons.""",
    not_for="""\
Photometry, stacking or difference imaging on the cleaned image: it approaches a
conditional mean, in which faint sources are too faint. Fluxes are measured on the input
with its sky taken off. Not for stretched images, photon-counting images (gamma rays),
spectra or interferometric maps.""",
    data=_OPTICAL_DATA,
    failures="""\
- Cosmic rays, hot pixels, trails and banding are not noise: they stay and look sharper.
- A wrong noise correlation: correlated noise that is told to be white leaves bumps.
- Noise correlated beyond direct neighbours, or neither Gaussian nor Poisson: not
  trained.
- PSFs outside the trained widths, donuts, frames full of nebulosity: not trained, not
  tested.
- In crowded fields sources are parted by their shape; close pairs can merge.""",
)

_JOINT = Words(
    use="""\
The paper's objective, for comparison: noise and sky are predicted together and taken
away in one go. The image goes in as (image - offset) / sigma of the sky.""",
    not_for="""\
Anything in which faint extended light matters: galaxies' outskirts cannot be told from
sky and go with it. Photometry on the cleaned image. For use take a model with the
objective `noise`.""",
    data=_OPTICAL_DATA,
    failures="""\
- Faint extended light is removed as sky.
- Faint sources come out too faint.
- Correlated noise: not trained.""",
)

_EXPECTATION = Words(
    use="""\
Counts of Fermi-LAT photons (1 to 2 GeV, FRONT, pixels of 0.2 deg) go in as they are;
out come two maps in counts per pixel: expected background and expected sources. The
background serves as the map under a search for point sources and under aperture sums;
the source map as a guide to where sources are. Photons minus background is the
residual to measure on.""",
    not_for="""\
Fluxes, significances or limits from the source map itself: it is shrunk towards what
is likely. Test statistics on this background are not 4FGL significances. Not for
other energies, event types or pixel scales, for extended sources, nor as a model of
the interstellar emission.""",
    data="""\
Simulated patches alone: the public emission model v07 with fine structure from Model
O, the isotropic template, the P8R3 FRONT PSF and point sources drawn from fits to the
counts of 4FGL-DR4, with wrong norms, a wrong PSF (+-10 %) and a distorted emission
model (up to 12 % rms) among them; photons drawn afresh in each step. Three caps of 30
deg, a fifth of the sky, were held out.""",
    failures="""\
- Emission-model features of the size of the PSF are taken for sources, and close
  faint sources for background, mostly at |b| < 20 deg; single bright knots most of
  all.
- The one real sky: its fine structure was trained on (outside the caps) as Model O
  has it.
- Sources below some TS of 9 go into the background; extended sources are split or
  lost.
- A level that is far from the tile's own counts (a factor of 3 beyond its range) was
  not trained; nor exposures outside 1.3e11 to 3.2e11 cm2 s.
- Real photons were not tested.""",
)

_SYSTEMATICS = Words(
    use="""\
Systematic background of single raw frames that follow the geostationary belt: star
trails, rows and columns, gradients. The frame goes in normalised (`zscale`), diffused
to a time t from 250 to 400 (400 where fluxes matter), and the mean of one-call
estimates over 20 draws of noise is the map (`bgrem_core.ddpm.one_step`). A satellite
keeps only part of its peak in the residual; measure that part by injection and divide
by it.""",
    not_for="""\
Photometry without the correction for the kept part; times of 150 and less where the
satellite matters (two thirds of it go into the map); calibrated or stacked frames;
deep-sky images, whose sources it would call background. Not a detector: a gain in
signal to noise at a known place is not completeness.""",
    data="""\
Simulated raw frames only, without truth: one direction of trails (34.5 to 35.5
degrees from +x, or turned by 180), 3 to 20 pixels long, exposures of 0.3 to 2 s, sky
of 18 to 20.5 mag/arcsec², row banding of 0.3 to 1 times the white noise, crops of 128
x 128 pixels, times below 500. About half of the frames hold one or more satellites.""",
    failures="""\
- Trails in another direction are left in part (see the mirrored frames in the
  figures): train on frames of your own sensor.
- Brightest trails are cut at 3 times the zscale range before the network sees them,
  and are not removed beyond it.
- Rows are judged over the whole tile: tiles of another width than 128 pixels were not
  trained, and tiles that meet may differ in their rows.
- Hot pixels cannot be told from satellites and stay as they do.
- No frame of a real camera has been tried.""",
)

WORDS: dict[str, Words] = {
    "noise": _NOISE,
    "joint": _JOINT,
    "expectation": _EXPECTATION,
    "systematics": _SYSTEMATICS,
}
