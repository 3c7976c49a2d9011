"""Systematic background of raw frames in which a satellite stands still.

Stars are trails there, and the detector writes its rows and columns over them. Each
module holds one thing: the classical layers, the trails, the map that a network draws,
what it leaves of a target, the targets, the time and the camera of a frame.
"""
