"""Make the picture of the widget: a sample run in JupyterLab, and one source inspected.

Needs JupyterLab, Playwright and a Chromium:

python docs/make_notebook_image.py
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

from bgrem_core import samples

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "notebook"))
from opened import browsing, opened

IMAGES = Path(__file__).parent / "images"
SOURCE = (118.2, 224.7)  # a star beside the galaxy of the sample
CELL = "%load_ext bgrem_notebook\nw = %bgrem frame.fits.fz\nw"


def main() -> None:
    """Run the sample, find its sources, click one of them, keep the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="decam_r")
    parser.add_argument("--at", type=float, nargs=2, default=SOURCE, metavar=("X", "Y"))
    parser.add_argument("--out", type=Path, default=IMAGES / "notebook.png")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, browsing() as browser:
        folder = Path(name)
        (folder / "lab").mkdir()
        shutil.copy(samples.path(args.sample), folder / "lab" / "frame.fits.fz")
        with opened(browser, "lab", folder, CELL) as place:
            # Panels as wide as the page allows.
            place.page.evaluate(
                "jupyterapp.commands.execute('application:toggle-left-area')"
            )
            place.run()
            place.press("Find sources")
            place.page.wait_for_selector("table tbody tr:nth-child(5) td")
            place.wait("d.busy === '' && d.ready === '1'")
            # The rings do not hide the source from its own picture.
            place.page.get_by_label("Rings").uncheck()
            place.click(*args.at)
            place.says("Sky ring")
            place.page.get_by_label("Rings").check()
            place.page.mouse.move(*place.at(args.at[0] + 30, args.at[1]))
            place.root.screenshot(path=args.out)
    # All of its colours: with fewer the halo of the galaxy gets rings.
    with Image.open(args.out) as picture:
        whole = picture.convert("RGB")
    whole.save(args.out, optimize=True)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
