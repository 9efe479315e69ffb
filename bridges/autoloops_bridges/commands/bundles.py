"""Which bundle plays which part."""

from pathlib import Path
from typing import Final

from autoloops_engine.bundle.installed import find_bundle, installed_bundles
from autoloops_engine.errors import BundleError

USUAL_PARTS: Final = ("melody", "bass", "drums")


def usual_bundle(part: str) -> str:
    """The name of the bundle that plays a part when nobody says otherwise."""
    return f"{part}-2bar"


def default_parts() -> tuple[str, ...]:
    """The usual parts for which a bundle is installed; melody when there is none at all."""
    installed = installed_bundles()
    return tuple(part for part in USUAL_PARTS if usual_bundle(part) in installed) or USUAL_PARTS[:1]


def choose_bundles(parts: tuple[str, ...], asked: dict[str, str]) -> dict[str, Path]:
    """The absolute path of the bundle of every part: as asked, else the usual one.

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
        chosen[part] = find_bundle(asked.get(part, usual_bundle(part))).absolute()
    return chosen
