"""The bundles that come with the package."""

from importlib.resources import files
from pathlib import Path

from autoloops_engine.bundle.manifest import MANIFEST_NAME
from autoloops_engine.errors import BundleError


def installed_bundles(folder: Path | None = None) -> dict[str, Path]:
    """Name and directory of every installed bundle, by name.

    Args:
        folder: Where to look instead of in the package.
    """
    root = models_folder() if folder is None else folder
    if not root.is_dir():
        return {}
    return {path.name: path for path in sorted(root.iterdir()) if (path / MANIFEST_NAME).is_file()}


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


def models_folder() -> Path:
    """The folder of the package that holds the installed bundles."""
    return Path(str(files("autoloops_engine").joinpath("models")))
