"""Gamma-ray photons: checks of a counts map, its PSF, exposure and point sources.

`counts` looks at the input, `energies` at its band, `exposure` turns counts into
fluxes; `search` finds and fits point sources on a background, with stamps of `psf`.
"""
