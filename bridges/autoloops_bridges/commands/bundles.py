"""Which bundle plays which part."""

from pathlib import Path
from typing import Final

from autoloops_bridges.commands.words import ModelWords
from autoloops_engine.bundle.installed import find_bundle, installed_bundles, split_reference, usual_bundle
from autoloops_engine.errors import BundleError

USUAL_PARTS: Final = ("melody", "bass", "drums")


def default_parts() -> tuple[str, ...]:
    """The usual parts for which a bundle is installed; melody when there is none at all."""
    installed = installed_bundles()
    return tuple(part for part in USUAL_PARTS if usual_bundle(part) in installed) or USUAL_PARTS[:1]


def asked_parts(parts: tuple[str, ...], words: ModelWords) -> tuple[tuple[str, ...], dict[str, str]]:
    """The parts that are asked for, none if the usual ones are, and what is asked to play them.

    Args:
        parts: Those named; empty: a bundle that is to play all of them says which.
        words: What ``--model`` says.

    Raises:
        BundleError: there is no such bundle.
    """
    if not words.of_all:
        return parts, words.by_part
    from autoloops_engine.bundle.load import load_bundle

    names = parts or tuple(output.part for output in load_bundle(_find(words.of_all)[0]).manifest.outputs)
    return names, {name: words.of_all for name in names} | words.by_part


def choose_bundles(parts: tuple[str, ...], asked: dict[str, str]) -> dict[str, str]:
    """By part, the absolute path of its bundle, and after ``#`` the output that is named: as asked, else the usual one.

    Raises:
        BundleError: there is no such bundle.
    """
    chosen = {}
    for part in parts:
        if part not in asked and usual_bundle(part) not in installed_bundles():
            known = ", ".join(installed_bundles()) or "none"
            raise BundleError(
                f"No model is installed for the part {part} (installed: {known}); name one with --model {part}=BUNDLE."
            )
        path, output = _find(asked.get(part, usual_bundle(part)))
        chosen[part] = f"{path}#{output}" if output else str(path)
    return chosen


def _find(reference: str) -> tuple[Path, str]:
    bundle, output = split_reference(reference)
    return find_bundle(bundle).absolute(), output
