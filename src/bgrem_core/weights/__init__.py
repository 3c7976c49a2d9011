"""Weights that ship with the package, each with its card, and the reader of weights."""
