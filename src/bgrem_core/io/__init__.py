"""Files: read, masked, written; see `open_image` and `write`."""

from bgrem_core.io.atomic import atomic_write
from bgrem_core.io.choose import HDUInfo, list_hdus
from bgrem_core.io.lock import hold
from bgrem_core.io.made import read_made
from bgrem_core.io.names import catalog_path, output_path
from bgrem_core.io.read import open_all, open_image
from bgrem_core.io.target import check_target, is_product, is_same_file, make_folder
from bgrem_core.io.workfolder import work_folder, work_folder_of
from bgrem_core.io.write import check_kind, write

__all__ = [
    "HDUInfo",
    "atomic_write",
    "catalog_path",
    "check_kind",
    "check_target",
    "hold",
    "is_product",
    "is_same_file",
    "list_hdus",
    "make_folder",
    "open_all",
    "open_image",
    "output_path",
    "read_made",
    "work_folder",
    "work_folder_of",
    "write",
]
