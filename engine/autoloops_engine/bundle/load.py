"""Reading a bundle from a directory or a zip, trusting nothing in it.

Every file is read once, at most to its listed size, and checked against its sha256; what was checked is what
is used. Paths stay inside the bundle, links are refused, sizes and counts are bounded.
"""

import hashlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, TypeVar

from autoloops_engine.bundle.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, parse_manifest
from autoloops_engine.bundle.shapes import misfit
from autoloops_engine.errors import BundleError

_T = TypeVar("_T")

MAX_BUNDLE_BYTES: Final = 200 * 1024 * 1024
MAX_FILES: Final = 64
# An ONNX tensor kept in another file is an entry with the key "location"; such a graph could read any file.
_EXTERNAL_DATA_MARK: Final = b"\x0a\x08location\x12"
# What the file system and zipfile with its decompressors raise on rubbish.
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error, LZMAError)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model bundle whose every file was checked.

    Attributes:
        manifest: What it says about itself.
        source: Where it was read from.
        digest: sha256 of the manifest, which holds those of all files: the bundle's identity.
        graphs: The ONNX graphs by name.
    """

    manifest: Manifest
    source: Path
    digest: str
    graphs: Mapping[str, bytes]


class _Container(Protocol):
    def size(self, name: str) -> int: ...

    def read(self, name: str, limit: int) -> bytes: ...


def load_bundle(path: Path) -> Bundle:
    """Reads a bundle from a directory or a zip of one.

    Raises:
        BundleError: it is missing, damaged, too new, unsafe, or its sizes do not agree.
    """
    return _opened(path, lambda container: _load(container, path))


def read_manifest(path: Path) -> Manifest:
    """What a bundle says about itself; its other files are left unread.

    Raises:
        BundleError: it is missing, its manifest cannot be read or is too new, or its sizes do not agree.
    """
    return _opened(path, lambda container: _manifest(container, path)[1])


def read_file(path: Path, name: str) -> bytes:
    """One checked file of a bundle, such as ``weights.safetensors``.

    Raises:
        BundleError: the bundle has no such file, or cannot be read as :func:`load_bundle` says.
    """
    manifest = load_bundle(path).manifest
    if name not in manifest.files:
        raise BundleError(f"{path} has no file {name}; export the model again.")
    if path.is_dir():
        return _checked(_Folder(path), manifest, name, path)
    with zipfile.ZipFile(path) as archive:
        return _checked(_Zip(archive, path), manifest, name, path)


def _opened(path: Path, read: Callable[[_Container], _T]) -> _T:
    try:
        if path.is_dir():
            return read(_Folder(path))
        if path.is_file():
            with zipfile.ZipFile(path) as archive:
                return read(_Zip(archive, path))
    except _UNREADABLE as error:
        raise BundleError(f"{path} cannot be read ({error}); export or download it again.") from error
    raise BundleError(f"There is no bundle at {path}; `autoloops models` lists the installed ones.")


def _manifest(container: _Container, source: Path) -> tuple[bytes, Manifest]:
    """The manifest as it is written, and what it says."""
    content = _bounded(container, MANIFEST_NAME, MAX_MANIFEST_BYTES, source)
    manifest = parse_manifest(content, str(source))
    fault = misfit(manifest)
    if fault:
        raise BundleError(f"{source} cannot be played: {fault}; export it again or use another bundle.")
    return content, manifest


def _load(container: _Container, source: Path) -> Bundle:
    content, manifest = _manifest(container, source)
    if len(manifest.files) > MAX_FILES:
        raise BundleError(f"{source} lists more than {MAX_FILES} files, which no bundle needs; do not use it.")
    if sum(file.bytes for file in manifest.files.values()) > MAX_BUNDLE_BYTES:
        raise BundleError(f"{source} is larger than {MAX_BUNDLE_BYTES >> 20} MiB; do not use it.")
    by_file = {graph.file: name for name, graph in manifest.graphs.items()}
    graphs: dict[str, bytes] = {}
    for name in manifest.files:
        data = _checked(container, manifest, name, source)
        if name in by_file:
            if _EXTERNAL_DATA_MARK in data:
                raise BundleError(f"{source} is unsafe: {name} keeps weights in another file; do not use it.")
            graphs[by_file[name]] = data
    return Bundle(manifest, source, hashlib.sha256(content).hexdigest(), graphs)


def _checked(container: _Container, manifest: Manifest, name: str, source: Path) -> bytes:
    listed = manifest.files[name]
    data = _bounded(container, name, listed.bytes, source)
    if len(data) != listed.bytes or hashlib.sha256(data).hexdigest() != listed.sha256:
        raise BundleError(f"{source} is damaged: {name} is not what its manifest says; export or download it again.")
    return data


def _bounded(container: _Container, name: str, limit: int, source: Path) -> bytes:
    if not is_safe_path(name):
        raise BundleError(f"{source} is unsafe: {name!r} leads out of the bundle; do not use it.")
    try:
        size = container.size(name)
    except (KeyError, FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(f"{source} is incomplete: {name} is missing; export or download it again.") from error
    if size > limit:
        raise BundleError(f"{source} is damaged: {name} is larger than it may be; export or download it again.")
    return container.read(name, limit)


def is_safe_path(name: str) -> bool:
    """Whether a path of a manifest is plain, relative and stays inside, on every system."""
    parts = PurePosixPath(name).parts
    plain = name.isprintable() and not set(name) & set('\\:*?"<>|')
    return bool(parts) and plain and not name.startswith("/") and ".." not in parts and len(name) <= 255


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def size(self, name: str) -> int:
        return self._path(name).stat().st_size

    def read(self, name: str, limit: int) -> bytes:
        with self._path(name).open("rb") as file:
            return file.read(limit + 1)

    def _path(self, name: str) -> Path:
        path = self._root
        for part in PurePosixPath(name).parts:
            path = path / part
            if path.is_symlink():
                raise BundleError(f"{self._root} is unsafe: {name} is a link; do not use it.")
        if path.exists() and not path.is_file():
            raise BundleError(f"{self._root} is unsafe: {name} is no plain file; do not use it.")
        return path


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, source: Path) -> None:
        entries = archive.infolist()
        if len(entries) > 2 * MAX_FILES:
            raise BundleError(f"{source} holds more than {2 * MAX_FILES} entries; do not use it.")
        manifests = [e.filename for e in entries if PurePosixPath(e.filename).name == MANIFEST_NAME]
        outermost = min(manifests, key=lambda name: name.count("/"), default=MANIFEST_NAME)
        self._prefix = outermost.removesuffix(MANIFEST_NAME)
        self._archive = archive
        self._source = source

    def size(self, name: str) -> int:
        entry = self._archive.getinfo(self._prefix + name)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise BundleError(f"{self._source} is unsafe: {name} is a link; do not use it.")
        return entry.file_size

    def read(self, name: str, limit: int) -> bytes:
        # The directory of a zip can lie about sizes, so the reading itself is bounded too.
        with self._archive.open(self._prefix + name) as file:
            return file.read(limit + 1)
