"""``python -m bgrem_core``: the command ``bgrem``."""

from bgrem_core.cli import run

run()
