"""Bundles: what was written is what is read; whatever is damaged, too new or unsafe gives one sentence."""

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloops_engine.bundle import load
from autoloops_engine.bundle.installed import find_bundle, installed_bundles
from autoloops_engine.bundle.load import is_safe_path, load_bundle, read_file
from autoloops_engine.bundle.manifest import SCHEMA_VERSION, Knob, Manifest, parse_manifest
from autoloops_engine.bundle.write import write_bundle
from autoloops_engine.errors import BundleError
from autoloops_engine.testing import tiny_manifest

FILES = {
    "encoder.onnx": b"the encoder",
    "start.onnx": b"the start",
    "bar.onnx": b"the bar",
    "weights.safetensors": b"weights",
    "MODEL_CARD.md": b"# card",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "tiny"
    write_bundle(path, tiny_manifest(), FILES)
    return path


def zip_of(bundle: Path, target: Path, prefix: str = "tiny/") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(bundle.iterdir()):
            archive.write(path, prefix + path.name)
    return target


def edit_manifest(bundle: Path, **changes: Any) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refuses(path: Path, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence) as caught:
        load_bundle(path)
    assert str(caught.value).endswith(".")


def test_what_was_written_is_read(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.manifest.name == "tiny"
    assert loaded.graphs == {"encoder": b"the encoder", "start": b"the start", "bar": b"the bar"}
    assert read_file(bundle, "weights.safetensors") == b"weights"


def test_numbers_stand_side_by_side_and_texts_stay_as_they_are(tmp_path: Path) -> None:
    knob = Knob((0.5, -1e-7, 0.0, 1.0), ((0.0, -1.0), (0.5, 0.0), (1.0, 1.0)))
    manifest = msgspec.structs.replace(tiny_manifest(), knobs=(knob,), description="One [\n1,\n2] of [3, 4].")
    write_bundle(tmp_path / "tiny", manifest, FILES)
    assert "[0.5, -1e-7, 0.0, 1.0]" in (tmp_path / "tiny" / "manifest.json").read_text()
    read = load_bundle(tmp_path / "tiny").manifest
    assert read.knobs == (knob,)
    assert read.description == manifest.description


@pytest.mark.parametrize("prefix", ["", "tiny/"])
def test_a_zip_of_it_reads_the_same(bundle: Path, tmp_path: Path, prefix: str) -> None:
    archive = zip_of(bundle, tmp_path / "any.zip", prefix)
    assert load_bundle(archive).graphs == load_bundle(bundle).graphs
    assert load_bundle(archive).digest == load_bundle(bundle).digest
    assert read_file(archive, "MODEL_CARD.md") == b"# card"


def test_writing_replaces_a_bundle_but_nothing_else(bundle: Path, tmp_path: Path) -> None:
    write_bundle(bundle, tiny_manifest(), FILES | {"MODEL_CARD.md": b"# other"})
    assert read_file(bundle, "MODEL_CARD.md") == b"# other"
    assert [p.name for p in tmp_path.iterdir()] == ["tiny"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(ValueError, match="something else"):
        write_bundle(tmp_path / "photos", tiny_manifest(), FILES)
    with pytest.raises(ValueError, match="cannot be a file"):
        write_bundle(tmp_path / "new", tiny_manifest(), {"../x": b""})


def test_a_missing_bundle_says_so(tmp_path: Path) -> None:
    refuses(tmp_path / "nothing", "There is no bundle at")


@pytest.mark.parametrize("name", ["manifest.json", *FILES])
def test_a_missing_file_says_so(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    refuses(bundle, f"incomplete: {name} is missing")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", ["first", "last", "longer", "shorter"])
def test_damage_anywhere_in_a_file_is_found(bundle: Path, name: str, where: str) -> None:
    data = bytearray(FILES[name])
    if where == "longer":
        data += b"!"
    elif where == "shorter":
        del data[-1]
    else:
        data[0 if where == "first" else -1] ^= 1
    (bundle / name).write_bytes(data)
    refuses(bundle, rf"is damaged: {name} ")


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=60)
def test_damage_anywhere_in_a_zip_is_found_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, position: int, flip: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("zip")
    write_bundle(tmp_path / "tiny", tiny_manifest(), FILES)
    archive = zip_of(tmp_path / "tiny", tmp_path / "tiny.zip")
    data = bytearray(archive.read_bytes())
    data[position % len(data)] ^= flip
    archive.write_bytes(data)
    try:
        graphs = load_bundle(archive).graphs
    except BundleError:
        return
    assert graphs == load_bundle(tmp_path / "tiny").graphs


def test_a_newer_schema_is_refused_even_where_it_reads_differently(bundle: Path) -> None:
    edit_manifest(bundle, schema_version=SCHEMA_VERSION + 1, graphs=["quite", "different"])
    refuses(bundle, f"manifest version {SCHEMA_VERSION + 1} .* update autoloops")


KNOB = {"direction": [1.0, 0, 0, 0], "curve": [[0.0, -2.0], [0.5, 0.0], [1.0, 3.0]]}
GRAPHS = msgspec.to_builtins(tiny_manifest().graphs)


def reshaped(graph: str, which: str, index: int, **changes: Any) -> dict[str, Any]:
    """The graphs of the tiny model with one tensor changed."""
    graphs = json.loads(json.dumps(GRAPHS))
    graphs[graph][which][index] |= changes
    return {"graphs": graphs}


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "eight steps": ({"steps_per_bar": 8}, "bars have 8 steps, not 16"),
    "endless loops": ({"bars": 1_000_000}, "1000000 bars, more than 64"),
    "other loops than its encoder": ({"bars": 4}, "graph encoder has features where features of .batch, 64, 90. "),
    "another latent size": ({"latent_size": 5, "embedding_size": 5}, "has mu where mu of .batch, 5."),
    "another state": ({"state_size": 7}, "graph start has state where state of .batch, 1, 7."),
    "other embeddings": ({"embedding_size": 5}, "embeddings have 5 numbers, and its latent points 4"),
    "bars of their own": ({"kind": "hierarchical"}, "state of .batch, 2, 6."),
    "other classes": ({"outputs": [{"part": "melody", "codec": "melody-90", "classes": 95}]}, "95 classes"),
    "another codec": ({"outputs": [{"part": "melody", "codec": "groove-512", "classes": 512}]}, "32, 27"),
    "no known codec": ({"outputs": [{"part": "melody", "codec": "chords-9", "classes": 9}]}, "update autoloops"),
    "two parts and one bar graph": (
        {"outputs": [{"part": p, "codec": "melody-90", "classes": 90} for p in "ab"]},
        "bar-",
    ),
    "tokens that are no whole numbers": (reshaped("bar", "outputs", 0, dtype="float32"), "has tokens where"),
    "one loop at a time": (reshaped("encoder", "inputs", 0, shape=[1, 32, 90]), "has features where"),
    "a knob too far": ({"knobs": [KNOB | {"curve": [[0, -2], [0.5, 0], [1, 1e9]]}]}, "reach of 1e.09, more than"),
    "a direction too long": ({"knobs": [KNOB | {"direction": [1e300, 0, 0, 0]}]}, "reach of 3e.300, more than"),
    "a knob of another model": ({"knobs": [KNOB | {"direction": [1, 0, 0]}]}, "knob 1 has 3 coordinates, not 4"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_bundle_whose_sizes_cannot_be_true_together_is_refused(bundle: Path, what: str) -> None:
    changes, sentence = CONTRADICTIONS[what]
    edit_manifest(bundle, **changes)
    refuses(bundle, sentence)


def test_a_graph_with_an_output_too_many_is_refused(bundle: Path) -> None:
    graphs = json.loads(json.dumps(GRAPHS))
    graphs["bar"]["outputs"].append(graphs["bar"]["outputs"][-1])
    edit_manifest(bundle, graphs=graphs)
    refuses(bundle, "graph bar has 4 outputs, not 3")


def test_unknown_fields_are_left_alone(bundle: Path) -> None:
    edit_manifest(bundle, favourite_colour="blue")
    assert load_bundle(bundle).manifest.name == "tiny"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": 1}', '{"schema_version": "x"}', "[" * 10_000])
def test_a_damaged_manifest_says_so(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    refuses(bundle, "damaged manifest.json")


ATTRIBUTE: dict[str, Any] = {"name": "density", "direction": [1.0] * 4, "curve": [[0, -1], [0.5, 0], [1, 1]]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"latent_size": 0}, "damaged manifest"),
        ({"name": "../evil"}, "damaged manifest"),
        ({"graphs": {}}, "graph bar is missing"),
        ({"files": {}}, "not listed"),
        ({"knobs": [{"direction": [1.0], "curve": [[0, -1], [0.5, 0], [1, 1]]}]}, "knob 1 has 1 coord"),
        ({"knobs": [{"direction": [1.0] * 4, "curve": [[0, -1], [0.5, 0]]}]}, "from 0 to 1"),
        ({"knobs": [{"direction": [1.0] * 4, "curve": [[0, -1], [0.5, 1], [1, 2]]}]}, "not 0 at rest"),
        ({"attributes": [ATTRIBUTE | {"low": 8.0, "high": 2.0}]}, "attribute density has a range that does not rise"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(bundle: Path, changes: dict[str, Any], sentence: str) -> None:
    edit_manifest(bundle, **changes)
    refuses(bundle, sentence)


def listed(bundle: Path, name: str, size: int = 1) -> None:
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    edit_manifest(bundle, files=files | {name: {"bytes": size, "sha256": "0" * 64}})


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\b", "", ".", "x\n"])
def test_a_path_that_leaves_the_bundle_is_refused(bundle: Path, name: str) -> None:
    assert not is_safe_path(name)
    listed(bundle, name)
    refuses(bundle, "leads out of the bundle")


def test_a_zip_slip_is_refused(bundle: Path, tmp_path: Path) -> None:
    listed(bundle, "../outside")
    archive = zip_of(bundle, tmp_path / "slip.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("tiny/../outside", b"!")
    refuses(archive, "leads out of the bundle")


def test_links_are_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(FILES["bar.onnx"])
    (bundle / "bar.onnx").unlink()
    (bundle / "bar.onnx").symlink_to(tmp_path / "secret")
    refuses(bundle, "bar.onnx is a link")


def test_links_in_a_zip_are_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "bar.onnx").rename(tmp_path / "bar.onnx")
    archive = zip_of(bundle, tmp_path / "link.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        entry = zipfile.ZipInfo("tiny/bar.onnx")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(entry, FILES["bar.onnx"])
    refuses(archive, "bar.onnx is a link")


def test_a_pipe_is_refused_and_never_waited_for(bundle: Path) -> None:
    (bundle / "bar.onnx").unlink()
    os.mkfifo(bundle / "bar.onnx")
    refuses(bundle, "no plain file")


def test_sizes_and_counts_are_bounded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(bundle, "huge", 201 << 20)
    refuses(bundle, "larger than 200 MiB")
    files = {f"f{i}": {"bytes": 0, "sha256": "0" * 64} for i in range(70)}
    whole = json.loads((bundle / "manifest.json").read_text())["files"]
    edit_manifest(bundle, files=whole | files)
    refuses(bundle, "more than 64 files")
    monkeypatch.setattr(load, "MAX_MANIFEST_BYTES", 100)
    refuses(bundle, "manifest.json is larger")


def test_a_zip_bomb_is_not_unpacked(bundle: Path, tmp_path: Path) -> None:
    (bundle / "bar.onnx").write_bytes(bytes(50 << 20))
    refuses(zip_of(bundle, tmp_path / "bomb.zip"), "bar.onnx is larger than it may be")


def test_a_zip_of_very_many_entries_is_refused(bundle: Path, tmp_path: Path) -> None:
    archive = zip_of(bundle, tmp_path / "many.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        for i in range(200):
            opened.writestr(f"tiny/{i}", b"")
    refuses(archive, "more than 128 entries")


def test_a_graph_that_keeps_weights_elsewhere_is_refused(bundle: Path) -> None:
    graph = b"...\x0a\x08location\x12\x0b/etc/passwd"
    write_bundle(bundle, tiny_manifest(), FILES | {"bar.onnx": graph})
    refuses(bundle, "keeps weights in another file")


def test_a_manifest_survives_its_own_text() -> None:
    knob = Knob((1.0, 0.0, 0.0, 0.0), ((0.0, -2.0), (0.5, 0.0), (1.0, 3.0)), 0.7)
    manifest = msgspec.structs.replace(tiny_manifest(), knobs=(knob,), files=dict.fromkeys(FILES, None))
    listed_files = {name: {"bytes": 1, "sha256": "0" * 64} for name in FILES}
    text = msgspec.json.encode(msgspec.to_builtins(manifest) | {"files": listed_files})
    parsed: Manifest = parse_manifest(text, "it")
    assert parsed.knobs == (knob,)


def test_bundles_are_found_by_name_or_path(bundle: Path, tmp_path: Path) -> None:
    assert installed_bundles(tmp_path) == {"tiny": bundle}
    assert find_bundle("tiny", tmp_path) == bundle
    assert find_bundle(str(bundle), tmp_path / "elsewhere") == bundle
    with pytest.raises(BundleError, match="no bundle other; installed are: tiny"):
        find_bundle("other", tmp_path)
