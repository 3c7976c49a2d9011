"""Training, from torch, numpy and safetensors alone: ``python -m bgrem_core.train``."""
