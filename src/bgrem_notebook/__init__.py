"""The notebook view of BGRem: a widget, and the magic ``%bgrem frame.fits``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bgrem_notebook.widget import BGRemWidget as BGRemWidget

__all__ = ["BGRemWidget", "load_ipython_extension", "unload_ipython_extension", "view"]


def view(image: object, *, method: str = "bgrem", **settings: Any) -> "BGRemWidget":
    """Open an image in a cell.

    Parameters
    ----------
    image : path, ndarray, NDData, CCDData, HDU, Image or Stack
        As for `bgrem_core.open_image`.
    method : str, optional
        A key of METHODS.
    **settings
        Fields of that method's settings, and of `OpenSettings`.

    Returns
    -------
    BGRemWidget
        To be shown as the last line of a cell; its ``result`` and ``sources`` are at
        hand in the next one.

    Raises
    ------
    BGRemError
        The image cannot be opened, or a setting does not exist.
    """
    from bgrem_notebook.widget import BGRemWidget

    return BGRemWidget(image, method=method, **settings)


def load_ipython_extension(ipython: Any) -> None:
    """Add the magic: what ``%load_ext bgrem_notebook`` does.

    Parameters
    ----------
    ipython : InteractiveShell
        The shell that asked for it.
    """
    from bgrem_notebook.magic import BGRemMagics, complete

    ipython.register_magics(BGRemMagics)
    ipython.set_hook("complete_command", complete, str_key="%bgrem")


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magic away again.

    Parameters
    ----------
    ipython : InteractiveShell
        The shell that asked for it.
    """
    ipython.magics_manager.magics["line"].pop("bgrem", None)


def __getattr__(name: str) -> Any:
    # Torch and the widgets are not loaded before they are needed.
    if name == "BGRemWidget":
        from bgrem_notebook.widget import BGRemWidget

        return BGRemWidget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
