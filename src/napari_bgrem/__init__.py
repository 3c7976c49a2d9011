"""The napari view of BGRem: a door, the room behind it is not built yet.

Here will be a reader, layers, the comparison of Original, Cleaned and Residual, and
inspection by click. napari finds the plugin by its manifest, which offers nothing yet.

Today the command `bgrem` writes FITS files that napari opens with any FITS reader, and
`bgrem_core` does the work from Python.
"""
