"""The method "bgrem": a network takes the noise away, then the sky is measured.

A diffusion model predicts the noise in units of its sigma (arXiv:2510.04718). With the
objective "noise" smooth light of every scale is signal to the network, and the sky is
estimated afterwards on the denoised image; with the objective "joint" the network takes
noise and sky away at once, as in the paper.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bgrem_core.fill import fill_masked
from bgrem_core.fingerprint import fingerprint
from bgrem_core.gamma.energies import selections
from bgrem_core.image import Image
from bgrem_core.io.provenance import Provenance
from bgrem_core.kept import Kept, Scratch
from bgrem_core.level import BIN, bright_level
from bgrem_core.level import REACH as LEVEL_REACH
from bgrem_core.methods.base import Method
from bgrem_core.methods.common import (
    check_method,
    difference,
    finite_only,
    frame_scale,
    loading,
    no_rows,
    norm_of,
    over_tiles,
    package_version,
    sky_pass,
    working_flags,
)
from bgrem_core.methods.mesh import sky_scale_option
from bgrem_core.methods.said import HEADS, Said
from bgrem_core.model_card import ModelCard
from bgrem_core.models import Model, find_card, load_model
from bgrem_core.normalize import Scale
from bgrem_core.options import option
from bgrem_core.planes import LazyPlane, Plane
from bgrem_core.progress import Progress, drain
from bgrem_core.sampler import sample
from bgrem_core.schedule import levels
from bgrem_core.search import CENTRE
from bgrem_core.separation import Separation
from bgrem_core.settings import FindSettings, RunSettings
from bgrem_core.sky import Sky
from bgrem_core.steps import Steps
from bgrem_core.tiles import Grid, Tile, grid, grow, inside, take

if TYPE_CHECKING:
    from astropy.table import QTable

#: Masked pixels are filled from neighbours up to this far away.
FILL_RADIUS = 12
#: What a network sees of a pixel depends on pixels up to this far away.
REACH = -(-(LEVEL_REACH + FILL_RADIUS) // BIN) * BIN
#: Steps that are recorded where the model's own are fewer.
STEPS = 8
#: Side of a tile that holds all of what is recorded, margins included.
WHOLE = 4096
Seen = NDArray[np.float32]
#: Mesh of the photometric plane where the network took the sky away itself.
JOINT_MESH = 64
_PHOTONS = "the header tells of cuts in photons: for gamma rays use --method gamma"


@dataclass(frozen=True, kw_only=True)
class BGRemSettings(RunSettings):
    """Settings of the method "bgrem".

    Attributes
    ----------
    model : str
        Name of a shipped model or path of a safetensors file.
    sky_scale : int or str
        Scale of the sky in pixels, "auto" or "none".
    steps : int or None
        Reverse steps; None = as the model card says.
    norm : float
        1 / sigma of the noise; 0 = estimated.
    normalizer : str
        How sigma is estimated.
    minimum : float or None
        Least value that the network sees, in image units.
    strength : float
        Share of the noise that is taken away.
    uncertainty : bool or None
        Whether to tell, beside the noise, how far off each pixel may be and where
        sources have their centres; None = the command does where it writes them or
        searches, all others do.
    """

    model: str = option(
        default="optical",
        help="name of a model or path of its weights",
        flags=("--model",),
    )
    sky_scale: int | str = sky_scale_option()  # type: ignore[assignment]
    steps: int | None = option(
        default=None,
        help="reverse steps; default: the model card's",
        range=(1, 100),
        flags=("-s", "--steps"),
    )
    norm: float = option(
        default=0.0,
        help="1/sigma of the noise, 0 = estimate",
        unit="1/unit",
        range=(0, 1e38),
        flags=("-n", "--norm"),
        advanced=True,
    )
    normalizer: str = option(
        default="mesh",
        help="mesh: a map of the noise; paper: 1/std of the "
        "lowest 90 % of the positive pixels",
        choices=("mesh", "paper"),
        advanced=True,
    )
    minimum: float | None = option(
        default=None,
        help="raise what the network sees to this value",
        unit="image unit",
        flags=("-m", "--minimum"),
        advanced=True,
    )
    strength: float = option(
        default=1.0,
        help="share of the noise that is taken away",
        range=(0, 1),
        flags=("--strength",),
    )
    uncertainty: bool | None = option(
        default=None,
        help="also tell how far off each pixel may be, and where sources have their "
        "centres; default: with --layers or --catalog",
        advanced=True,
        flags=("--uncertainty",),
    )


def iterate(
    image: Image, settings: BGRemSettings
) -> Generator[Progress, Any, Separation]:
    """Take noise and sky off an image; see `Method.iterate`."""
    return (yield from _iterate(image, settings, None))


def resume(
    image: Image, settings: BGRemSettings, folder: Path
) -> Generator[Progress, Any, Separation]:
    """Do the same with finished tiles in a folder; see `Method.resume`."""
    return (yield from _iterate(image, settings, folder))


def _iterate(
    image: Image, settings: BGRemSettings, folder: Path | None
) -> Generator[Progress, Any, Separation]:
    model = load_model(settings.model, **loading(settings))
    check_method(model, "bgrem", settings.model)
    flags = working_flags(image, settings.mask_grow)
    scale = yield from frame_scale(image, settings)
    kept = Scratch()
    if folder is not None:
        kept = Kept(folder, fingerprint(image, scale, model, settings))
    run = Run(image, flags, scale, model, settings, kept)
    taken = kept.allocate("taken", image.shape)

    def clean(tile: Tile) -> "NDArray[np.float32]":
        block = taken[tile.keep] = run.tile(tile)
        seen: NDArray[np.float32] = image.data[tile.keep] - block
        return seen

    yield from over_tiles(run.grid, clean, kept)
    return (yield from run.finish(taken))


class Run:
    """One image on its way through one model.

    Parameters
    ----------
    image : Image
        As observed.
    flags : ndarray of uint8, shape (ny, nx)
        Nonzero = not to be used.
    scale : Scale
        Noise and offset of the whole frame.
    model : Model
        A model of this method.
    settings : BGRemSettings
        What was asked for.
    kept : Scratch, optional
        Where what the model tells besides is held.
    """

    def __init__(
        self,
        image: Image,
        flags: NDArray[np.uint8],
        scale: Scale,
        model: Model,
        settings: BGRemSettings,
        kept: Scratch | None = None,
    ) -> None:
        self.image, self.flags, self.scale = image, flags, scale
        self.model, self.settings = model, settings
        self.said = said_by(model.card, image.shape, settings, kept)
        self.answers: dict[str, NDArray[np.float32]]
        self.steps = settings.steps or model.card.steps
        self.joint_objective = model.card.objective == "joint"
        self.grid = tiles_of(image.shape, model.card, settings)
        known = image.gain is not None and scale.median_sigma > 0
        self.sigma_e = scale.median_sigma * image.gain if known else None  # type: ignore[operator]

    def tile(
        self, tile: Tile, watch: "Callable[[Seen, Seen], None] | None" = None
    ) -> NDArray[np.float32]:
        """Return what is taken away from ``tile.keep``, in image units.

        `watch` is told after each step what has been taken away by then, and what of it
        the step saw, both in units of the noise.
        """
        z, sigma, spread, level = self._seen(tile)
        self.answers = {}

        def tell(x: Seen, x_hat: Seen, sigma: float) -> None:
            if watch is not None:
                watch(tile.crop(spread * (z - x)), tile.crop(spread * (sigma * x_hat)))

        clean = sample(self._denoise, z, levels(self.steps).tolist(), watch=tell)
        out = tile.crop(z) - tile.crop(clean)
        if spread.size > 1:
            out *= tile.crop(spread)
        out *= sigma
        unseen = (self.flags[tile.keep] != 0) | (sigma == 0)
        if unseen.any():
            out[unseen] = 0
        if self.answers:
            if self.said.centre is not None and level.any():
                # Where light was set aside its remains are no likeness of sources.
                whole = self._ask(spread * z + level, 1.0)
                self.answers[CENTRE] = whole[CENTRE]
            self.said.put(tile, self.answers, spread=spread, sigma=sigma, unseen=unseen)
        if self.joint_objective:
            out = out + self.scale.offset[tile.keep]
        empty = ~np.isfinite(self.image.data[tile.keep])
        if empty.any():
            out[empty] = np.nan
        return np.asarray(out, np.float32)

    def _seen(self, tile: Tile) -> tuple[Seen, Seen, Seen, Seen]:
        """Return what the network sees, sigma of what the tile keeps, and two more.

        They are the noise that is seen in units of the sky's, and what is set aside.

        Masked pixels are filled and smooth bright light is set aside, both from beyond
        what is read, so that neighbouring tiles see alike.
        """
        wide = grow(tile.read, REACH)
        z, sigma = self._scaled(wide)
        sigma = sigma[inside(wide, tile.keep)]
        bad = take(self.flags, wide) != 0
        if bad.any():
            z = fill_masked(z, bad, radius=FILL_RADIUS)
        inner = inside(wide, tile.read)
        level = None if self.joint_objective else bright_level(z)[inner]
        if level is None or not level.any():
            one = np.ones((1, 1), np.float32)
            return np.ascontiguousarray(z[inner]), sigma, one, 0 * one
        # Photon noise of the light that is set aside.
        spread = (
            np.sqrt(1 + level / self.sigma_e)
            if self.sigma_e
            else np.ones_like(z[inner])
        )
        return (z[inner] - level) / spread, sigma, spread, level

    def _scaled(self, block: tuple[slice, slice]) -> tuple[Seen, Seen]:
        """Return pixels of a block in units of sigma, 0 where that is 0, and sigma."""
        z = take(self.image.data, block).astype(np.float32, copy=False)
        if self.settings.minimum is not None:
            np.maximum(z, np.float32(self.settings.minimum), out=z)
        sigma = take(self.scale.sigma, block).astype(np.float32, copy=False)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            z -= take(self.scale.offset, block)
            z /= sigma
        blind = ~(sigma > 0)
        if blind.any():
            z[blind] = 0
        return z, sigma

    def _denoise(self, z: NDArray[np.float32], level: float) -> NDArray[np.float32]:
        if not self.model.card.calibration:
            rho, sigma_e = self.scale.rho, self.sigma_e
            return self.model.denoise(z, level, rho=rho, sigma_e=sigma_e)
        answers = self._ask(z, level)
        # What counts is what is said of the image as observed, in the first step.
        self.answers = self.answers or answers
        return answers["noise"]

    def _ask(
        self, z: NDArray[np.float32], level: float
    ) -> dict[str, NDArray[np.float32]]:
        return self.model.appraise(
            z, level, rho=self.scale.rho, sigma_e=self.sigma_e, heads=self.said.heads
        )

    def finish(self, taken: Plane) -> Generator[Progress, None, Separation]:
        """Return the result when all tiles are done, whose blocks make up `taken`."""
        return (
            yield from (self._joint if self.joint_objective else self._noise)(taken)
        )

    def _noise(self, noise: Plane) -> Generator[Progress, None, Separation]:
        """Return the result of the objective "noise": noise off, then the sky."""
        image, strength = self.image, self.settings.strength
        # Not before: tiles must not see what their neighbours found.
        self.flags = self.said.flagged(self.flags)
        denoised = difference(image.data, noise, image.shape)
        sky = yield from self._sky(denoised, self.settings.sky_scale, denoised=True)
        part = finite_only(sky.mesh, image)
        taken: Plane = noise
        if strength != 1:
            taken = LazyPlane(image.shape, lambda r, c: strength * noise[r, c])
        return self._separation({"sky": part, "noise": taken}, part, sky)

    def _joint(self, background: Plane) -> Generator[Progress, None, Separation]:
        """Return the result of the objective "joint": noise and sky off at once."""
        image = self.image
        sky = yield from self._sky(image.data, JOINT_MESH, denoised=False)
        part = finite_only(sky.mesh, image)
        return self._separation({"background": background}, part, sky)

    def _sky(
        self, plane: Plane, setting: int | str, *, denoised: bool
    ) -> Generator[Progress, None, Sky]:
        return (
            yield from sky_pass(
                plane, self.flags, scale=self.scale, setting=setting, denoised=denoised
            )
        )

    def _separation(
        self, parts: dict[str, Plane], sky_part: Plane, sky: Sky
    ) -> Separation:
        image, scale, model = self.image, self.scale, self.model
        return Separation(
            image=image,
            parts=parts,
            flags=self.flags,
            scale=scale,
            provenance=Provenance(
                version=package_version(),
                method="bgrem",
                model=model.card.name,
                model_sha256=model.sha256,
                steps=self.steps,
                norm=norm_of(scale),
                sky=sky.description,
                seed=self.settings.seed,
                gain=image.gain,
                settings=dataclasses.asdict(self.settings),
            ),
            photometric=difference(image.data, sky_part, image.shape),
            uncertainty=self.said.uncertainty(
                scale.sigma, strength=self.settings.strength
            ),
            extras={"rms": scale.sigma, **self.said.extras()},
            notices=tuple(self._notices(sky)),
        )

    def _notices(self, sky: Sky) -> Iterator[str]:
        yield from self.image.notices
        if any(selections(self.image.header)):
            yield _PHOTONS
        yield from self.scale.notices
        yield from sky.notices
        yield from self.model.notices


def tiles_of(shape: tuple[int, int], card: ModelCard, settings: BGRemSettings) -> Grid:
    """Return the tiles of a frame of this shape, on the grid that the model pools."""
    margin = card.radius if settings.margin is None else settings.margin
    pooling = lcm(card.pooling, BIN)
    return grid(shape, tile=settings.tile, margin=margin, pooling=pooling)


def least(settings: BGRemSettings) -> BGRemSettings:
    """Ask for no more than the image; see `Method.least`."""
    if settings.uncertainty is not None:
        return settings
    return dataclasses.replace(settings, uncertainty=False)


def said_by(
    card: ModelCard,
    shape: tuple[int, int],
    settings: BGRemSettings,
    kept: Scratch | None = None,
) -> Said:
    """Return the planes of what a model is asked beside the noise."""
    heads = ("artefact",) if settings.uncertainty is False else HEADS
    return Said(shape, card, kept, heads=heads)


def record(image: Image, settings: BGRemSettings) -> Steps:
    """Watch the reverse steps at work on a small image; see `Method.record`."""
    model = load_model(settings.model, **loading(settings))
    steps = settings.steps or max(model.card.steps, STEPS)
    settings = dataclasses.replace(settings, steps=steps, tile=WHOLE)
    scale = drain(frame_scale(image, settings))
    flags = working_flags(image, settings.mask_grow)
    run = Run(image, flags, scale, model, settings)
    sigma = np.asarray(scale.sigma[:, :], np.float32)
    data, seen = np.asarray(image.data), (sigma > 0) & (flags == 0)
    images, noises = [data], []

    def watch(taken: Seen, noise: Seen) -> None:
        images.append(np.where(seen, data - sigma * taken, data))
        noises.append(sigma * noise)

    (tile,) = run.grid
    run.tile(tile, watch)
    return Steps(
        images=np.stack(images).astype(np.float32),
        noises=np.stack(noises).astype(np.float32),
        sigmas=(*levels(steps).tolist()[:-1], 0.0),
        sigma=scale.median_sigma,
        default=model.card.steps,
    )


def find_segments(
    separation: Separation, settings: FindSettings
) -> "tuple[QTable, NDArray[np.int32]]":
    """Search the cleaned image; see `Method.find_segments`."""
    from bgrem_core.find import find_with_segments

    return find_with_segments(separation, settings, **search_options(separation))


def search_options(separation: Separation) -> dict[str, Any]:
    """Return what the card of the model says of a search in its results."""
    card = find_card(str(separation.provenance.settings["model"]))
    return {
        "threshold_of": card.threshold,
        "centre_scale": card.calibration.get("centre"),
    }


def find(separation: Separation, settings: FindSettings) -> "QTable":
    """Search the cleaned image; see `Method.find`."""
    return find_segments(separation, settings)[0]


BGREM = Method(
    name="bgrem",
    label="BGRem (learned)",
    settings=BGRemSettings,
    panels=("Original", "Cleaned", "Residual"),
    iterate=iterate,
    find=find,
    find_segments=find_segments,
    inspect_rows=no_rows,
    record=record,
    least=least,
    resume=resume,
    parts=("sky", "noise"),
)
