"""The rows of the map: what the paper has, as far as we know, and how we compare."""

import map_detections as detections
import map_images as images
import map_numbers as numbers
from map_others import COHEN, WALDMANN
from map_row import Row


def _run(key: str) -> str:
    return f"`paper/run.py --figures {key}`"


ABSTRACT = (
    Row(
        item="+7 % true positives",
        shown="SExtractor finds about 7 % more true sources on MeerLICHT images if "
        "BGRem runs before it",
        script=_run("8"),
        value=detections.true_positives,
        verdict=detections.seven_percent,
        why="On our simulated frames, at 10 false detections per Mpix, with absolute "
        "thresholds; the paper gives no number of false ones. The default filter of "
        "3 x 3 pixels is a weak baseline: one of the PSF's width needs no learning, so "
        "the ratio to it is the one that counts.",
    ),
    Row(
        item="the same, apart",
        shown="-",
        script=_run("8"),
        value=detections.true_positives_apart,
        verdict="no claim",
        why="On frames of the simpler simulator, with other code, PSFs and galaxies.",
    ),
    Row(
        item="other telescopes",
        shown="Without further training it also improves detections on optical images "
        "of other telescopes",
        script=_run("11"),
        value=detections.elsewhere,
        verdict=detections.generalises,
        why="Other images than those of the paper: DECam exposures, CFHTLS and SDSS "
        "frames with noise added, truth from deeper images. Judged against "
        "SExtractor's defaults, as there; the matched filter stands beside.",
    ),
    Row(
        item="gamma rays",
        shown="It also improves detections on simulated Fermi-LAT images",
        script="`gamma/run.py`",
        value=detections.gamma_found,
        verdict=detections.gamma_helps,
        why="Bright sources found at 0.5 false per patch, with photons drawn; the same "
        "search on each background. Same if the model beats the best mesh by over two "
        "errors.",
    ),
)

FIGURES = (
    Row(
        item="Fig. 1",
        shown="Known to us only as a scheme of the diffusion process (a picture of "
        "that name came with the code)",
        script=_run("1"),
        value=images.pairs,
        verdict="no claim",
        why="Fair version: in the reverse process the network sees what it left "
        "itself, not a true image with less noise, so errors of training pairs at low "
        "levels do not carry over.",
    ),
    Row(
        item="Fig. 2",
        shown="Known to us only as a scheme of the attention U-Net",
        script=_run("2"),
        value=images.reach,
        verdict="no claim",
        why="Drawn from the published inference code; beside it the measured reach.",
    ),
    Row(
        item="Fig. 3",
        shown="Content not known to us",
        script="-",
        value=None,
        verdict="not reproduced",
        why="Nothing is known of it. What our training images look like is in "
        "docs/simulators.md.",
    ),
    Row(
        item="Fig. 4",
        shown="Known to us only as an example of an image with and without background; "
        "the published script draws input, truth and prediction side by side",
        script=_run("4"),
        value=images.example,
        verdict="no claim",
        why="Values: mean absolute error of the flat image in sigma. Fair version: "
        "errors, on a scale that shows them, beside filters without learning.",
    ),
    Row(
        item="Fig. 5",
        shown="Histogram of blank-sky pixels before and after: the noise is gone",
        script=_run("5"),
        value=images.blank,
        verdict=images.blank_same,
        why="Values: rms of blank sky in sigma of the input. Any smoothing does this; "
        "the next row says what it is worth.",
    ),
    Row(
        item="Fig. 5, fair",
        shown="-",
        script=_run("5"),
        value=images.blank_found,
        verdict="no claim",
        why="True positives at 10 false per Mpix over the matched filter: read off "
        "whether the blank sky orders the methods as their detections do.",
    ),
    Row(
        item="Fig. 6",
        shown="Predicted against true flux in a box of 37 x 37 pixels, by S/N; BGRem "
        "nearer to the line than SExtractor",
        script=_run("6"),
        value=images.flux("box37"),
        verdict="not reproduced",
        why="The scatter of the raw box is that of 1369 noisy pixels; less scatter "
        "in such a box says nothing about photometry. Values: median and 68 % "
        "half-width of predicted over true. We do not judge a claim by this measure.",
    ),
    Row(
        item="Fig. 6, the box",
        shown="-",
        script=_run("6"),
        value=images.box_noise,
        verdict="no claim",
        why="In sigma of one pixel: the box drowns the star. Expected: 37 exactly.",
    ),
    Row(
        item="Fig. 6, fair",
        shown="-",
        script=_run("6"),
        value=images.flux("circle"),
        verdict="no claim",
        why="Circle of one FWHM. An estimate without noise is biased low for faint "
        "sources; the product measures on the image, not on the denoised one.",
    ),
    Row(
        item="Fig. 7",
        shown="Content not known to us",
        script=_run("7"),
        value=None,
        verdict="not reproduced",
        why="Under this number stand clipping and kinds of thresholds, from the text "
        "(see numbers below).",
    ),
    Row(
        item="Fig. 8",
        shown="True and false positives of SExtractor with and without BGRem, against "
        "the threshold, on a random cutout",
        script=_run("8"),
        value=detections.default_threshold,
        verdict=detections.gain_at_default,
        why="At the default threshold of 1.5 rms of each image. On an image without "
        "noise that rms means nothing, and one cutout has an error of 4 to 5 %. Judged "
        "same if more is true and hardly more is false. The fair version is the first "
        "row of this page.",
    ),
    Row(
        item="Fig. 9",
        shown="M 31: the faint extended light is removed almost wholly",
        script=_run("9"),
        value=images.galaxy,
        verdict=images.outskirts_lost,
        why="ESO 085-030 instead of M 31; light of 0.1 to 1 sigma per pixel that is "
        "kept, against a second exposure. Judged by the joint model: same if it keeps "
        "less than half. Fair: the model that takes away noise alone, and meshes of "
        "equal scale.",
    ),
    Row(
        item="Fig. 10",
        shown="Known to us only as: other telescopes, without training on them",
        script=_run("10"),
        value=images.telescopes,
        verdict="no claim",
        why="Pictures of other images than those of the paper.",
    ),
    Row(
        item="Fig. 11",
        shown="Known to us only as: other telescopes, without training on them",
        script=_run("11"),
        value=detections.elsewhere,
        verdict="no claim",
        why='True positives at 10 false per Mpix; see "other telescopes" above.',
    ),
    Row(
        item="Figs. 12 and later, but 16",
        shown="Gamma rays; content and numbering not known to us. The published script "
        "draws mean and total counts, detections with sep at 3 rms, and true against "
        "false positives",
        script="`gamma/run.py --infinite FILE`",
        value=detections.gamma_infinite,
        verdict=detections.gamma_doubles,
        why="The paper's network and training at infinite statistics, on a sky of our "
        "own; maps cleaned by it and as they are, both searched by SExtractor's "
        "defaults at 3 rms. Same if light is met to a tenth and true positives are "
        "more than twice as many, as the paper says.",
    ),
    Row(
        item="Fig. 16",
        shown="With Poisson noise bright sources come out too faint and faint ones too "
        "bright",
        script="`gamma/run.py --infinite FILE`",
        value=detections.gamma_terciles,
        verdict=detections.gamma_tilts,
        why="Counts by tercile of brightness, faint first: of the network that was "
        "trained at infinite statistics, and of the one that ships, which was trained "
        "on photons.",
    ),
)

APPENDICES = (
    Row(
        item="B, normalisation",
        shown="Known to us only by its subject",
        script=_run("B1"),
        value=numbers.scale_error,
        verdict="no claim",
        why="Mean absolute error of the flat image if sigma is taken wrong by a "
        "factor. What a wrong scale costs in detections is in the optical benchmark.",
    ),
    Row(
        item="B.2",
        shown="Mean absolute error against the number of reverse steps: best at 15, "
        "local optima at 3, 6 and 11",
        script=_run("B2"),
        value=numbers.steps_error,
        verdict=numbers.best_is_15,
        why="Error of what each model is asked for, with the paired change against one "
        "step. A minimum that moves within the errors over frames is no optimum.",
    ),
    Row(
        item="B.2, fair",
        shown="-",
        script=_run("B2"),
        value=numbers.steps_use,
        verdict="no claim",
        why="True positives over the matched filter, flux kept at S/N 5 to 10, CPU "
        "time.",
    ),
    Row(
        item="C",
        shown="Losses: mean absolute, mean squared, Huber; the first is used",
        script="`paper/run.py --figures C --losses mae=PATH mse=PATH huber=PATH`",
        value=numbers.loss_rows,
        verdict=numbers.mae_is_best,
        why="Judged by the mean absolute error; each loss is favoured by its own "
        "measure.",
    ),
    Row(
        item="C.2, C.3",
        shown="Losses on gamma rays; known to us only by their subject",
        script="`gamma/run.py --infinite FILE --infinite-mse FILE`",
        value=detections.gamma_losses,
        verdict="no claim",
        why="At infinite statistics, each with the number of steps that suits it; MSE "
        "was trained for 25 epochs, MAE for 90 of 150, at a rate that falls by 5 % "
        "per epoch.",
    ),
)

TABLES = (
    Row(
        item="Table 1",
        shown="Content not known to us",
        script="-",
        value=None,
        verdict="not reproduced",
        why="-",
    ),
    Row(
        item="Table 2",
        shown="AdamW, learning rate 0.001, x 0.95 per epoch, weight decay 0.0001, "
        "batch 32, 100 epochs, early stop after 10; tiles of 256 pixels; 6 steps",
        script=_run("B2"),
        value=numbers.table_2,
        verdict=numbers.table_2_same,
        why="What differs is named; the steps stand below. The epochs are as many, but "
        "not as long: see the training images below.",
    ),
)

NUMBERS = (
    Row(
        item="834,801 parameters",
        shown="Size of the network",
        script=_run("2"),
        value=numbers.parameters,
        verdict="different",
        why="The number fits neither of the two published files, whose widths "
        "disagree; ours is the network of the published inference code.",
    ),
    Row(
        item="sigma from acos(0.98) to acos(0)",
        shown="The schedule; the published inference ends at acos(0.01)",
        script=_run("1"),
        value=numbers.schedule,
        verdict="same",
        why="By construction.",
    ),
    Row(
        item="8405 training images",
        shown="Of 256 x 256 pixels, with a cut on the brightest pixel of 500",
        script="`bgrem-train optical-paper`",
        value=numbers.training_size,
        verdict="not reproduced",
        why="8405 is five frames in 41 x 41 tiles exactly, so a cut would have removed "
        "nothing; the simulator is not published. Ours draws fresh noise for each "
        "crop.",
    ),
    Row(
        item="normalisation 0.01",
        shown="Factor that brings the noise of the training images to about 1",
        script=_run("B1"),
        value=numbers.estimator,
        verdict="not reproduced",
        why="It belongs to noise of about 100 counts; real MeerLICHT frames have 13 to "
        "17 electrons. Value: what the published estimator gives over the true sigma; "
        "normal noise alone gives 0.84, sky and sources more.",
    ),
    Row(
        item="1 step is good, more are better",
        shown="The error falls with the number of steps",
        script=_run("B2"),
        value=numbers.steps_error,
        verdict=numbers.more_steps_help,
        why="Same if some number of steps is better than one by over two errors.",
    ),
    Row(
        item="default steps 1, Table 2: 6, best: 15",
        shown="Three numbers in code, table and appendix",
        script="-",
        value=numbers.default_steps,
        verdict="no claim",
        why="Ours is what the card of the weights says.",
    ),
    Row(
        item="faint sources too faint",
        shown="The output underestimates faint flux",
        script=_run("6"),
        value=images.flux("circle"),
        verdict=images.faint_is_faint,
        why="An estimate that approaches the conditional mean must; flux is therefore "
        "measured on the image.",
    ),
    Row(
        item="clipping biases photometry",
        shown="Values below zero are set to zero, which adds light",
        script=_run("6"),
        value=images.flux("box37", only="clipped"),
        verdict=images.clipping_bias,
        why="Judged on the raw image, where the effect is largest; in our product "
        "clipping is a view, never the result.",
    ),
    Row(
        item="clipped pixels",
        shown="-",
        script=_run("5"),
        value=images.zeros,
        verdict="no claim",
        why="Clipping alone makes up to half of the blank sky exactly zero, whatever "
        "the method: a histogram of a clipped image flatters.",
    ),
    Row(
        item="unclipped makes SExtractor worse",
        shown="With negative values kept, detections get worse",
        script=_run("7"),
        value=detections.relative_clipping,
        verdict=detections.unclipped_is_worse,
        why="At the default threshold of 1.5 rms of each image itself.",
    ),
    Row(
        item="the same, fair",
        shown="-",
        script=_run("7"),
        value=detections.absolute_clipping,
        verdict="no claim",
        why="With absolute thresholds clipping cannot change what lies above them.",
    ),
)

GROUPS = {
    "Abstract": ABSTRACT,
    "Figures": FIGURES,
    "Appendices": APPENDICES,
    "Tables": TABLES,
    "Numbers and statements": NUMBERS,
    "Another paper: satellite frames (Waldmann et al. 2023)": WALDMANN,
    "Another paper: removal of stars (Cohen & Lu 2021)": COHEN,
}
