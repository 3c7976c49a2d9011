"""The napari view of BGRem: layers, the comparison, and inspection by click.

napari finds it by the manifest, ``napari.yaml``. What needs no window (layers, the run
and its layers, comparison, clicks, the status bar) lies here; ``_qt`` holds widgets
only. All science is the core's.
"""
