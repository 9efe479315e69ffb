"""The bundles that come with the package."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

from autoloops_engine.bundle.manifest import MANIFEST_NAME
from autoloops_engine.errors import BundleError

_WITH_OUTPUT: Final = re.compile(r"(.+)#([a-z][a-z0-9_-]*)")


def installed_bundles(folder: Path | None = None) -> dict[str, Path]:
    """Name and directory of every installed bundle, by name.

    Args:
        folder: Where to look instead of in the package.
    """
    root = models_folder() if folder is None else folder
    if not root.is_dir():
        return {}
    return {path.name: path for path in sorted(root.iterdir()) if (path / MANIFEST_NAME).is_file()}


def usual_bundle(part: str) -> str:
    """The name of the bundle that plays a part when nobody says otherwise."""
    return f"{part}-2bar"


def find_bundle(name_or_path: str | Path, folder: Path | None = None) -> Path:
    """The bundle that is meant: an installed name, or the path of a directory or zip.

    Raises:
        BundleError: there is neither.
    """
    installed = installed_bundles(folder)
    if str(name_or_path) in installed:
        return installed[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    known = ", ".join(installed) or "none"
    raise BundleError(f"There is no bundle {name_or_path}; installed are: {known}; or give the path of one.")


def split_reference(reference: str) -> tuple[str, str]:
    """The bundle and the output that ``BUNDLE`` or ``BUNDLE#OUTPUT`` means; no output: an empty word.

    A path that exists is a bundle, whatever signs are in it.
    """
    match = _WITH_OUTPUT.fullmatch(reference)
    if match is None or Path(reference).expanduser().exists():
        return reference, ""
    return match[1], match[2]


def models_folder() -> Path:
    """The folder of the package that holds the installed bundles."""
    return Path(str(files("autoloops_engine").joinpath("models")))
