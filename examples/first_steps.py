"""From a real frame to a cleaned image and a catalogue, in ten lines.

python examples/first_steps.py [FOLDER]
"""

import sys
from pathlib import Path

import bgrem_core
from bgrem_core.catalog import write_catalog
from bgrem_core.samples import path

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "first-steps")
folder.mkdir(exist_ok=True)

result = bgrem_core.clean(path("decam_r"))
sources = bgrem_core.find_sources(result)

print(f"noise {result.scale.median_sigma:.2f} {result.image.unit} per pixel")
print(f"sky: {result.provenance.sky}")
print(f"{len(sources)} sources; the brightest three:")
sources.sort("flux", reverse=True)
for row in sources[:3]:
    print(f"  x={row['x']:.1f} y={row['y']:.1f} flux={row['flux']:.0f}", end=" ")
    print(f"S/N={row['snr']:.0f} FWHM={row['fwhm']:.1f}")

# The parts and what is left add up to the image, pixel by pixel.
difference = result.cleaned + result.residual - result.image.data
print(f"largest gap of the sum: {abs(difference).max():.1e} {result.image.unit}")

bgrem_core.write(result, folder / "cleaned.fits", layers=True)
write_catalog(sources, folder / "sources.ecsv")
