"""The mappings of common controllers that come with AutoLoops."""

from importlib import resources


def preset_names() -> tuple[str, ...]:
    """What the presets are called, in alphabetical order."""
    folder = resources.files("autoloops_bridges") / "control" / "presets"
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def preset_text(name: str) -> str | None:
    """The text of a preset, a piece of a rig file; none: there is no such preset."""
    if name not in preset_names():
        return None
    file = resources.files("autoloops_bridges") / "control" / "presets" / f"{name}.toml"
    return file.read_text(encoding="utf-8")
