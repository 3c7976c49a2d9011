"""Names of outputs: they follow from the input's and stay inside the output folder."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from bgrem_core.errors import UsageError

_PACKED = (".gz", ".bz2", ".fz")
_LONGEST = 255
_WINDOWS = frozenset(
    [
        "CON",
        "PRN",
        "AUX",
        "NUL",
        *(f"{n}{k}" for n in ("COM", "LPT") for k in range(1, 10)),
    ]
)
_FORBIDDEN = '<>:"|?*'


def output_path(
    source: str | Path, *, folder: str | Path | None, prefix: str = "BGRem_"
) -> Path:
    """Return where the cleaned image of an input goes.

    Parameters
    ----------
    source : path
        The input.
    folder : path or None
        Output folder; None = beside the input.
    prefix : str, optional
        What is put before the input's name.

    Returns
    -------
    Path
        Prefix and name, without .gz, .bz2 or .fz. A PNG becomes a .tif, as it could not
        hold the values.

    Raises
    ------
    UsageError
        The prefix is not part of a plain file name, or the name would be too long.
    """
    source = Path(source)
    _check_prefix(prefix)
    name = source.name
    while name.lower().endswith(_PACKED):
        name = Path(name).stem
    if name.lower().endswith(".png"):
        name = f"{Path(name).stem}.tif"
    name = prefix + name
    _check_name(name)
    return (source.parent if folder is None else Path(folder)) / name


def catalog_path(output: Path, catalog: str) -> Path:
    """Return where the catalogue of an output goes.

    Parameters
    ----------
    output : Path
        The cleaned image.
    catalog : str
        A file name, or a bare extension (".ecsv", "ecsv"): the output's name with this
        extension.

    Returns
    -------
    Path
        The catalogue's file.

    Raises
    ------
    UsageError
        It would be the output itself.
    """
    bare = catalog.removeprefix(".")
    if bare.isalnum() and bare.lower() in _CATALOGS:
        path = output.with_suffix(f".{bare}")
        if path == output:
            path = output.with_name(f"{output.stem}_catalog.{bare}")
        return path
    if "\0" in catalog or not catalog:
        raise UsageError(f"catalog={catalog!r} is not a file name")
    path = Path(catalog)
    if path == output:
        raise UsageError(
            f"catalog={catalog} is the cleaned image itself", hint="name another file"
        )
    return path


_CATALOGS = frozenset({"ecsv", "csv", "fits", "vot", "reg"})


def _check_prefix(prefix: str) -> None:
    separate = "/" in prefix or "\\" in prefix
    anchored = PureWindowsPath(prefix).anchor or PurePosixPath(prefix).anchor
    odd = any(not c.isprintable() or c in _FORBIDDEN for c in prefix)
    if separate or anchored or odd or PureWindowsPath(prefix).drive:
        raise UsageError(
            f"prefix={prefix!r} is not part of a file name",
            hint="use letters, digits, '_', '-' and '.'; name a folder with -o",
        )


def _check_name(name: str) -> None:
    # Bytes of a name that are no text of the locale come as halves of characters.
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > _LONGEST:
        raise UsageError(
            f"the output's name would be {size} bytes long, at most "
            f"{_LONGEST} are possible",
            hint="use a shorter prefix",
        )
    if name.split(".")[0].upper() in _WINDOWS:
        raise UsageError(
            f"{name!r} is a name that Windows reserves", hint="use another prefix"
        )
