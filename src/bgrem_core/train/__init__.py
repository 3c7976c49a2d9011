"""Training, from torch and numpy alone: ``python -m bgrem_core.train``."""
