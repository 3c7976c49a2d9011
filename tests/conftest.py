"""What all tests share."""

from hypothesis import settings

# A busy machine is no failure, and a green run must be green again tomorrow.
settings.register_profile("bgrem", deadline=None, derandomize=True)
settings.load_profile("bgrem")
