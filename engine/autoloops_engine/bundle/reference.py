"""What ``BUNDLE`` or ``BUNDLE#OUTPUT`` means, as far as the manifest tells."""

from pathlib import Path
from typing import NamedTuple

from autoloops_engine.bundle.installed import find_bundle, split_reference
from autoloops_engine.bundle.load import read_manifest
from autoloops_engine.bundle.manifest import Manifest, Output
from autoloops_engine.errors import BundleError


class Referenced(NamedTuple):
    """A bundle that somebody named.

    Attributes:
        path: Where it lies.
        manifest: What it says about itself.
        output: The output that is to play; empty: none was named.
    """

    path: Path
    manifest: Manifest
    output: str


def look_up(reference: str) -> Referenced:
    """The bundle that is meant; of its files only the manifest is read.

    Raises:
        BundleError: there is none, its manifest cannot be read, or it has no such output.
    """
    name, output = split_reference(reference)
    path = find_bundle(name)
    manifest = read_manifest(path)
    if output:
        output_named(manifest, output)
    return Referenced(path, manifest, output)


def output_named(manifest: Manifest, name: str) -> Output:
    """The output of that name.

    Raises:
        BundleError: there is none.
    """
    for output in manifest.outputs:
        if output.part == name:
            return output
    known = ", ".join(output.part for output in manifest.outputs)
    raise BundleError(f"The model {manifest.name} has no output {name}; it has: {known}.")
