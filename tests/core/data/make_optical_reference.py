"""Write the stored output of the shipped model: run after each export."""

from pathlib import Path

import numpy as np

from bgrem_core.models import load_model
from bgrem_core.simulate import SceneSettings, draw_noise, draw_scene


def main() -> None:
    """Draw a crowded 56 x 72 frame and store what the model takes for its noise."""
    rng = np.random.default_rng(42)
    settings = SceneSettings(density=(3000, 3000), snr=(2, 200), discs=0)
    scene = draw_scene(rng, shape=(56, 72), settings=settings)
    z = scene.source + draw_noise(rng, scene.source, sigma_e=20.0)
    model = load_model("optical", device="cpu", threads=1)
    arguments = np.array([[1.0, 0.0, 20.0], [0.5, 0.2, np.nan]])
    x_hat = [model.denoise(z, a, rho=b, sigma_e=c) for a, b, c in arguments]
    path = Path(__file__).with_name("optical_reference.npz")
    np.savez_compressed(path, z=z, arguments=arguments, x_hat=np.stack(x_hat))


if __name__ == "__main__":
    main()
