"""The notebook view of BGRem: a door, the room behind it is not built yet.

Here will be a widget and the magic ``%bgrem frame.fits``. Today a notebook uses
`bgrem_core` directly, and shows the picture that
`bgrem_core.display.three_panel_png` writes.
"""


def load_ipython_extension(ipython: object) -> None:
    """Say that the magic is not there yet.

    Parameters
    ----------
    ipython : object
        The shell that asked for ``%load_ext bgrem_notebook``.

    Raises
    ------
    NotImplementedError
        Always.
    """
    del ipython
    raise NotImplementedError(
        "%bgrem is not built yet. Use: import bgrem_core; "
        "image = bgrem_core.open_image('frame.fits'); "
        "result = bgrem_core.clean(image)"
    )
