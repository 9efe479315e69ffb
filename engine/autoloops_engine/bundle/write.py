"""Writing a bundle: the side that export uses."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from autoloops_engine.bundle.load import is_safe_path
from autoloops_engine.bundle.manifest import MANIFEST_NAME, File, Manifest

# No text of JSON has a line break in it, so these are arrays of nothing but numbers.
_NUMBERS: Final = re.compile(rb"\[\n([-+0-9.eE,\s]+)\]")


def prepare_place(directory: Path) -> None:
    """Makes the parents of a bundle's folder, and sure that nothing but a bundle is replaced there.

    Raises:
        OSError: the disk refuses.
        ValueError: ``directory`` holds something else than a bundle.
    """
    if directory.exists() and not (directory / MANIFEST_NAME).is_file() and any(directory.iterdir()):
        raise ValueError(f"{directory} holds something else than a bundle; choose another folder.")
    directory.parent.mkdir(parents=True, exist_ok=True)


def write_bundle(directory: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Writes a bundle as a whole or not at all; one that is there already is replaced.

    Args:
        directory: Where the bundle shall lie; its parents are made.
        manifest: Everything but ``files``, which is filled in here.
        files: Every file but the manifest, by path.

    Returns:
        The manifest as written.

    Raises:
        OSError: the disk refuses.
        ValueError: a path is unsafe, or ``directory`` holds something else than a bundle.
    """
    for name in files:
        if not is_safe_path(name) or name == MANIFEST_NAME:
            raise ValueError(f"{name!r} cannot be a file of a bundle.")
    prepare_place(directory)
    listed = {name: File(len(data), hashlib.sha256(data).hexdigest()) for name, data in sorted(files.items())}
    complete = msgspec.structs.replace(manifest, files=listed)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as scratch:
        fresh = Path(scratch) / "fresh"
        fresh.mkdir(mode=0o755)
        for name, data in files.items():
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        # Numbers side by side: one to a line they take half as much again, and nobody reads them so.
        text = _NUMBERS.sub(_side_by_side, msgspec.json.format(msgspec.json.encode(complete), indent=1))
        (fresh / MANIFEST_NAME).write_bytes(text + b"\n")
        if directory.exists():
            shutil.move(directory, Path(scratch) / "replaced")
        fresh.rename(directory)
    return complete


def _side_by_side(numbers: re.Match[bytes]) -> bytes:
    return b"[" + b", ".join(numbers[1].replace(b",", b" ").split()) + b"]"
