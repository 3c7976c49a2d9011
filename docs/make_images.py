"""Make the pictures of the pages: the demo's, smaller."""

import tempfile
from pathlib import Path

from PIL import Image

from bgrem_core.demo import SAMPLE, run_demo

IMAGES = Path(__file__).parent / "images"
WIDTH = 1400


def main() -> None:
    """Run the demo and keep its picture."""
    with tempfile.TemporaryDirectory() as folder:
        run_demo(Path(folder), overwrite=False)
        with Image.open(Path(folder, f"BGRem_{SAMPLE}.png")) as picture:
            size = WIDTH, round(picture.height * WIDTH / picture.width)
            small = picture.resize(size, Image.Resampling.LANCZOS)
    IMAGES.mkdir(exist_ok=True)
    small.save(IMAGES / "demo.png", optimize=True)
    print(f"wrote {IMAGES / 'demo.png'}")


if __name__ == "__main__":
    main()
