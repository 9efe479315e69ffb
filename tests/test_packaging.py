"""What is promised of the package as a whole: what it imports, what its wheel holds, what its pages say."""

import os
import re
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from autoloops_bridges.cli import build_app
from autoloops_engine.constraints.scales import SCALES

ROOT: Final = Path(__file__).parents[1]
TRAINING_STACK: Final = ("torch", "onnx", "onnxscript", "safetensors", "symusic", "tensorboard", "autoloops_export")
# What a performer never waits for although it is installed: imported on use only.
NOT_AT_THE_START: Final = ("numpy", "onnxruntime", "rich", "rtmidi", "jack", "mido")
PAGES: Final = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
PLAYER_PROCESS: Final = "autoloops_bridges.processes.player"


def performer_modules() -> list[str]:
    """Every module that performing can import."""
    return sorted(
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for root in (ROOT / "engine", ROOT / "bridges")
        for path in root.rglob("*.py")
        if path.name != "__main__.py"
    )


def loaded_after(statement: str) -> set[str]:
    """The top-level packages in memory after ``statement`` in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


class TestImports:
    def test_nothing_a_performer_imports_loads_the_training_stack(self) -> None:
        modules = performer_modules()
        assert "autoloops_bridges.cli" in modules
        # A driver whose library is missing here says so when it is imported; what it loaded until then counts too.
        statement = "\n".join(
            [
                "import contextlib, importlib",
                f"for name in {modules!r}:",
                " with contextlib.suppress(ImportError):",
                "  importlib.import_module(name)",
            ]
        )
        assert loaded_after(statement).isdisjoint(TRAINING_STACK)

    def test_the_command_line_waits_for_nothing_that_its_command_does_not_need(self) -> None:
        loaded = loaded_after("from autoloops_bridges.cli import build_app\nbuild_app(['play'])")
        assert loaded.isdisjoint({*TRAINING_STACK, *NOT_AT_THE_START})

    def test_the_player_process_has_neither_numpy_nor_onnxruntime(self) -> None:
        assert loaded_after(f"import {PLAYER_PROCESS}").isdisjoint({*TRAINING_STACK, "numpy", "onnxruntime"})

    def test_package_files_import_nothing(self) -> None:
        for path in ROOT.glob("*/autoloops_*/**/__init__.py"):
            assert not re.search(r"^\s*(from|import)\s", path.read_text(encoding="utf-8"), re.MULTILINE), path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("autoloops-*.whl")
    return built


class TestWheel:
    def test_holds_what_the_running_program_opens(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        for package in ("autoloops_engine", "autoloops_bridges", "autoloops_export"):
            assert f"{package}/py.typed" in names
        info = f"autoloops-{version('autoloops')}.dist-info"
        assert {f"{info}/licenses/LICENSE", f"{info}/licenses/ATTRIBUTION.md", f"{info}/entry_points.txt"} <= names
        for path in (ROOT / "engine/autoloops_engine/models").rglob("*"):
            if path.is_file():
                assert path.relative_to(ROOT / "engine").as_posix() in names
        assert "autoloops_engine/models/melody-2bar/manifest.json" in names

    def test_holds_nothing_else(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            tops = {name.partition("/")[0] for name in archive.namelist()}
        assert tops == {
            "autoloops_engine",
            "autoloops_bridges",
            "autoloops_export",
            f"autoloops-{version('autoloops')}.dist-info",
        }

    @pytest.mark.timeout(300)
    def test_works_in_a_clean_environment_without_torch(self, wheel: Path, tmp_path: Path) -> None:
        run(sys.executable, "-m", "venv", tmp_path / "venv")
        bin_folder = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
        python, autoloops = bin_folder / "python", bin_folder / "autoloops"
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        assert "autoloops " in run(
            python, "-c", "import autoloops_bridges.cli as cli; print('autoloops', cli.__file__)"
        )
        assert "torch" not in run(python, "-m", "pip", "list", "--disable-pip-version-check")
        assert "melody-2bar" in run(autoloops, "models", cwd=tmp_path)
        run(autoloops, "render", "--bars", "2", "--seed", "1", "--out", "loop.mid", cwd=tmp_path)
        assert (tmp_path / "loop.mid").read_bytes().startswith(b"MThd")
        refused = subprocess.run([autoloops, "train", "x"], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert refused.returncode == 1
        assert "pip install 'autoloops[export]'" in refused.stderr


class TestPages:
    def test_the_generated_pages_are_up_to_date(self) -> None:
        pages = runpy.run_path(str(ROOT / "docs/generate.py"))["pages"]()
        assert (ROOT / "docs/osc.md").read_text(encoding="utf-8") == pages["osc.md"], "run make docs"

    def test_the_page_on_playing_names_every_scale(self) -> None:
        page = (ROOT / "docs/playing.md").read_text(encoding="utf-8")
        assert [name for name in SCALES if f"`{name}`" not in page] == []

    def test_every_command_and_option_is_in_the_reference(self) -> None:
        page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
        for name, command in commands("autoloops", typer.main.get_command(build_app())):
            (section,) = re.findall(rf"^## {name}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
            for parameter in command.params:
                options = [option for option in parameter.opts if option.startswith("-")]
                assert all(re.search(rf"{option}[ ,]", section) for option in options), name

    def test_the_pages_name_only_make_targets_that_exist(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        named = {line.split()[1] for page in PAGES for line in lines_of_code(page) if line.startswith("make ")}
        assert {"play", "test"} <= named
        for target in named:
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

    def test_the_pages_name_only_commands_and_options_that_exist(self) -> None:
        known = dict(commands("autoloops", typer.main.get_command(build_app())))
        shown = {line for page in PAGES for line in lines_of_code(page) if line.startswith("autoloops ")}
        assert any(line.startswith("autoloops send ") for line in shown)
        for line in shown:
            words = line.split()
            command = known.get(" ".join(words[:3])) or known.get(" ".join(words[:2]))
            assert command is not None, line
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, line

    def test_links_between_pages_lead_somewhere(self) -> None:
        for page in PAGES:
            for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
                assert ":" in link or (page.parent / link).exists(), f"{page.name}: {link}"


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command below one, by its words."""
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {word}", inner)


def lines_of_code(page: Path) -> list[str]:
    """The lines that a page gives to type."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    """Runs a command that must succeed; answers what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout
