"""What a model card says in words, by objective and family of the model."""

import dataclasses
from dataclasses import dataclass

__all__ = ["WORDS", "Words", "words_of"]


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
_PLAIN_LIMITS = """\
widths, donuts, frames full of nebulosity: not trained, not
  tested."""
_SURVEY_LIMITS = "widths: not trained, not tested."

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
- Noise correlated beyond the range of `rho` above: not trained.""",
)

_EXPECTATION = Words(
    use="""\
Counts of Fermi-LAT photons (1 to 2 GeV, FRONT, pixels of the size below) go in as they
are; out come two maps in counts per pixel: first the expected sources, then the
expected background. The background serves as the map under a search for point sources
and under aperture sums; the source map as a guide to where sources are. Photons minus
background is the residual to measure on. For tiles of a larger map the level of the
whole map, 2 sqrt(median n + 3/8), is handed in too.""",
    not_for="""\
Fluxes, significances or limits from the source map itself: it is shrunk towards what
is likely. Test statistics on this background are not 4FGL significances. Not for
other energies, event types or pixel scales, for extended sources, nor as a model of
the interstellar emission.""",
    data="""\
Simulated patches alone: the public emission model v07 with fine structure from Model
O, the isotropic template, the P8R3 FRONT PSF and point sources drawn from fits to the
counts of 4FGL-DR4, with wrong norms, a wrong width of the PSF and a distorted emission
model among them, in the ranges below (`emission` and `isotropic` are factors,
`distortion` is an rms). With the statistics poisson photons are drawn afresh in each
step, with infinite the expectation itself is shown. Three caps of 30 deg radius, a
fifth of the sky, were held out.""",
    failures="""\
- Emission-model features of the size of the PSF are taken for sources, and close
  faint sources for background, mostly at |b| < 20 deg; single bright knots most of
  all.
- There is one real sky. Outside the held-out caps its fine structure, as Model O has
  it, was seen in training: there the network may know by heart what it should infer.
- Sources with a test statistic (TS) below about 9 are taken for background; extended
  sources are split into several or lost.
- A level that is handed in and lies far outside the tile's own counts was not trained,
  nor were exposures outside the range above.
- Real photons were not tested.""",
)

_DIFFUSION = Words(
    use="""\
The paper's objective and network on counts of gamma rays, for comparison: the
background is predicted and taken away in reverse steps (`bgrem_core.sampler`). What is
expected, or photons, goes in over its median, less 1.""",
    not_for="""\
Work on photons: the method gamma takes a model with the objective `expectation`.""",
    data=_EXPECTATION.data,
    failures="""\
- Photons: with the statistics infinite the network has seen no Poisson noise.""",
)

_SYSTEMATICS = Words(
    use="""\
Systematic background of single raw frames that follow the geostationary belt: star
trails, rows and columns, gradients. The frame goes in normalised (`zscale`), diffused
to a time t from 150 to 400, and the mean of one-call estimates over 20 draws of noise,
without the share of the white noise, is the map (`bgrem_core.ddpm.one_step` with
`noise`). What is left of a satellite is measured by artificial ones, and its flux
divided by it.""",
    not_for="""\
Photometry without the correction for the kept part; maps with the share of the white
noise left in (`noise=0`) where the satellite matters: it goes into them as the noise
does, more than half of it at times of 150 and less; calibrated or stacked
frames; deep-sky images, whose sources it would call background. Not a detector: a gain
in signal to noise at a known place is not completeness.""",
    data="""\
Simulated raw frames only, without truth, in the ranges below: exposures in seconds,
sky in mag/arcsec², the patterns of rows and columns in units of the white noise, which
itself is in units of the normalised frame (white_noise, the extremes of 100 frames),
trails and tiles (crops of the frames) in pixels, directions of trails from +x (turned
by 180 degrees as well), times t of the diffusion; where they are named, numbers of
amplifiers and full wells in electrons. Satellites are in some of the frames and are not
marked.""",
    failures="""\
- Trails in another direction than those above are left in part: train on frames of
  your own sensor, `bgrem-train satellites FRAMES... --from shipped`.
- Brightest trails are cut at 3 times the zscale range before the network sees them,
  and are not removed beyond it.
- Rows are judged over the whole tile: tiles of another width than the one above were
  not trained, and tiles that meet may differ in their rows.
- Hot pixels cannot be told from satellites and stay as they do.
- No frame of a real camera has been tried.""",
)

_OWN = dataclasses.replace(
    _SYSTEMATICS,
    use=_SYSTEMATICS.use.replace(
        "that follow the geostationary belt: star\ntrails",
        "of the sensor whose\nframes were trained on: star trails",
    ),
    not_for=f"Frames of other sensors.\n{_SYSTEMATICS.not_for}",
    data="""\
Raw frames of a user, without truth, which do not come with this file; `frames` of them
were trained on, `white_noise` is their white noise in units of the normalised frame
(5 to 95 % of the frames), tiles are crops in pixels, t are times of the diffusion.
Satellites that were in the frames are not marked.""",
    failures="""\
- What was in most of the frames is background, a satellite in the same place included
  if the frames are few.
- Trails in a direction, or of a length, that the frames do not have are left in part.
- Brightest trails are cut at 3 times the zscale range before the network sees them,
  and are not removed beyond it.
- Rows are judged over the whole tile: tiles of another width than the one above were
  not trained, and tiles that meet may differ in their rows.
- Hot pixels cannot be told from satellites and stay as they do.""",
)

_SURVEY_DATA = """\
Simulated fields only, drawn from seeds by `bgrem_core.simulate.survey` with GalSim;
what of the following there is, and how often, is in the recipe. Stars and galaxies of
Sersic profiles, real galaxies (52 public stamps of HST/ACS), large faint discs and
nebulae, under PSFs that change over the field; saturation, bleeding, halos, spikes and
ghosts; cosmic rays, hot pixels and trails, which are not noise either."""

WORDS: dict[str, Words] = {
    "noise": _NOISE,
    "joint": _JOINT,
    "expectation": _EXPECTATION,
    "diffusion": _DIFFUSION,
    "systematics": _SYSTEMATICS,
}


def words_of(objective: str, family: str = "") -> Words:
    """Return the words for a model.

    Parameters
    ----------
    objective : str
        Key of `WORDS`.
    family : str, optional
        Of the recipe; "" if it is not known.

    Returns
    -------
    Words
        Those of the objective, with the data of the family.
    """
    words = WORDS[objective]
    if family == "frames":
        return _OWN
    if family != "survey":
        return words
    failures = words.failures.replace(_PLAIN_LIMITS, _SURVEY_LIMITS)
    return dataclasses.replace(words, data=_SURVEY_DATA, failures=failures)
