"""Checks: the three things that a sceptic asks to see first.

Show me blank sky, show me the residual, show me faint flux: each check looks at one
result, needs no truth, and says in one sentence what its numbers say and no more. A
large frame is sampled, always at the same places.
"""

from bgrem_core.checks._blank import BlankSky, Spread, blank_sky
from bgrem_core.checks._faint import FaintFlux, faint_flux
from bgrem_core.checks._residual import ResidualCheck, residual

__all__ = [
    "BlankSky",
    "FaintFlux",
    "ResidualCheck",
    "Spread",
    "blank_sky",
    "faint_flux",
    "residual",
]
