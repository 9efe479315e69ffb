"""What a bundle says about itself: the schema of ``manifest.json``.

The engine defines and reads it, export writes it. A reader accepts its own schema version and older ones;
fields may be added with defaults within a version, anything else is a new version.
"""

import math
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from autoloops_engine.bundle.density import Density, density_fault
from autoloops_engine.errors import BundleError
from autoloops_engine.units import MAX_COORDINATE, STEPS_PER_BAR

SCHEMA_VERSION: Final = 1
MANIFEST_NAME: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024

KNOB_REST: Final = 0.5
# The longest loops that MusicVAE was trained on have 16 bars; whoever decodes a bar of a flat model decodes all before.
MAX_BARS: Final = 64
# As many as there are MIDI channels.
MAX_OUTPUTS: Final = 16

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
# Of a model with several outputs, each has a bar graph of its own: ``bar-PART``.
GraphName = Annotated[str, Meta(pattern=r"^(encoder|start|bar(-[a-z][a-z0-9_-]{0,63})?)$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Tensor(Struct, frozen=True, forbid_unknown_fields=True):
    """An input or output of a graph.

    Attributes:
        name: Its name in the graph.
        dtype: Element type.
        shape: Sizes by axis; a name such as ``batch`` stands for any size.
    """

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[int | str, ...]


class Graph(Struct, frozen=True, forbid_unknown_fields=True):
    """One ONNX graph of the bundle."""

    file: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


Curve = tuple[tuple[float, float], ...]


class Output(Struct, frozen=True):
    """A part that the model plays.

    Attributes:
        part: What the player calls it: melody, bass, drums.
        codec: How its tokens are read, ``melody-90`` for MusicVAE's 90 classes.
        classes: Size of the vocabulary.
        state_size: Numbers of the decoder's state that are this part's; 0 where it is the only part: all of them.
        played: For each extra of the codec what a decoded value is played as, (decoded, played) by rising decoded
            values, linear in between; empty: as it is decoded. A decoder that learnt to err little answers the mean of
            what may be, which is flatter than what people play; such a curve gives the spread back. 0 stays 0.
    """

    part: Identifier
    codec: str
    classes: Count
    state_size: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    played: tuple[Curve, ...] = ()


class Sampling(Struct, frozen=True):
    """How to sample when nobody says otherwise."""

    temperature: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.0


class Knob(Struct, frozen=True):
    """A ranked latent direction with its calibration.

    Attributes:
        direction: Unit vector, Z numbers.
        curve: (travel 0..1, offset along the direction) by rising travel, from 0 to 1, with (0.5, 0).
        change_per_unit: Mean edit distance (steps) per unit of offset over held-out loops: the rank.
    """

    direction: tuple[float, ...]
    curve: tuple[tuple[float, float], ...]
    change_per_unit: float = 0.0


class Attribute(Struct, frozen=True):
    """A musical attribute with the direction that moves it.

    Attributes:
        name: Name in the address ``/al/PART/attr/NAME``.
        direction: Vector, Z numbers.
        curve: (fader 0..1, offset along the direction) by rising fader, from 0 to 1.
        rest: Fader position with offset 0.
        output: The part whose fader it is; empty where the model plays one part.
        low: What fader 0 stands for: the 5th percentile over held-out loops of what codecs/attributes.py measures, in
            its units; None: not known.
        high: What fader 1 stands for: the 95th percentile.
    """

    name: Identifier
    direction: tuple[float, ...]
    curve: tuple[tuple[float, float], ...]
    rest: float = 0.5
    output: str = ""
    low: float | None = None
    high: float | None = None


class ParityReport(Struct, frozen=True):
    """How closely the graphs follow the PyTorch model they were made from.

    Attributes:
        points: Random latent points, each with its own noise, temperature, bias and forced tokens.
        tolerance: What the logits on forced tokens may differ by.
        differences: Largest absolute difference by output: mu, sigma, state, embeddings, states, logits.
        sampled_tokens: Tokens sampled and compared.
        exceptions: Every sampled token that differs, with the gap between the two best perturbed logits.
        unexcused: How many of those gaps are more than twice the measured difference.
    """

    points: int
    tolerance: float
    differences: dict[str, float]
    sampled_tokens: int
    exceptions: tuple[str, ...] = ()
    unexcused: int = 0


class DataSource(Struct, frozen=True):
    """A corpus the model was trained on, with what its licence asks to be said."""

    name: str
    licence: str
    attribution: str


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """Size and sha256 of a file of the bundle."""

    bytes: Annotated[int, Meta(ge=0)]
    sha256: Sha256


class Manifest(Struct, frozen=True):
    """The content of ``manifest.json``.

    Attributes:
        schema_version: See :data:`SCHEMA_VERSION`.
        kind: ``flat``: one state runs through the loop; ``hierarchical``: every bar has its own.
        name: The bundle's name.
        created_by: Program and version that wrote it.
        steps_per_bar: Steps of a bar.
        bars: Bars of a loop.
        latent_size: Z.
        state_size: S, all decoder states in one vector: those of the parts one after the other.
        embedding_size: E, size of a bar's embedding (flat: Z).
        outputs: The parts it plays, in the order of their features and states.
        graphs: ``encoder``, ``start`` and ``bar``, or ``bar-PART`` of every part where there are several.
        files: Every other file of the bundle by its path, ``/`` between folders.
        sampling: Defaults.
        knobs: Ranked directions, most telling first; empty until measured.
        attributes: Attribute directions; empty until measured.
        density: Where encoded training loops lie, for drawing points; None: the standard normal prior has to do.
        accuracy: Measured figures by name, ``PART/NAME`` where they are of one of several parts.
        parity: The report of the export's parity check.
        data: What it was trained on.
        description: One sentence for people.
    """

    schema_version: int
    kind: Literal["flat", "hierarchical"]
    name: Identifier
    created_by: str
    steps_per_bar: Count
    bars: Count
    latent_size: Count
    state_size: Count
    embedding_size: Count
    outputs: Annotated[tuple[Output, ...], Meta(min_length=1, max_length=MAX_OUTPUTS)]
    graphs: dict[GraphName, Graph]
    files: dict[str, File]
    sampling: Sampling = Sampling()
    knobs: tuple[Knob, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    density: Density | None = None
    accuracy: dict[str, float] = {}
    parity: ParityReport | None = None
    data: tuple[DataSource, ...] = ()
    description: str = ""


class _Version(Struct):
    schema_version: int


def parse_manifest(content: bytes, source: str) -> Manifest:
    """Reads and checks a manifest.

    Args:
        content: The JSON text.
        source: What to call the bundle in error messages.

    Raises:
        BundleError: it is damaged, too new or contradicts itself.
    """
    try:
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version > SCHEMA_VERSION:
            raise BundleError(
                f"{source} has manifest version {version} and this program reads up to {SCHEMA_VERSION}; "
                "update autoloops to use it."
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BundleError(f"{source} has a damaged {MANIFEST_NAME} ({error}); export or download it again.") from error
    contradiction = _contradiction(manifest)
    if contradiction:
        raise BundleError(f"{source} contradicts itself: {contradiction}; export or download it again.")
    return manifest


def _contradiction(manifest: Manifest) -> str | None:
    """What cannot be true of the manifest together; None when all is well."""
    if manifest.steps_per_bar != STEPS_PER_BAR:
        return f"its bars have {manifest.steps_per_bar} steps, not {STEPS_PER_BAR}"
    if manifest.bars > MAX_BARS:
        return f"its loops have {manifest.bars} bars, more than {MAX_BARS}"
    fault = _outputs_fault(manifest)
    if fault:
        return fault
    for name, graph in manifest.graphs.items():
        if graph.file not in manifest.files:
            return f"the file {graph.file} of the graph {name} is not listed"
    for index, knob in enumerate(manifest.knobs, 1):
        fault = _fault(knob.direction, knob.curve, KNOB_REST, manifest.latent_size)
        if fault:
            return f"knob {index} has {fault}"
    for attribute in manifest.attributes:
        fault = _fault(attribute.direction, attribute.curve, attribute.rest, manifest.latent_size)
        if (
            attribute.low is not None
            and attribute.high is not None
            and not 0 < attribute.high - attribute.low < math.inf
        ):
            fault = "a range that does not rise"
        if fault:
            return f"the attribute {attribute.name} has {fault}"
    fault = None if manifest.density is None else density_fault(manifest.density, manifest.latent_size)
    return None if fault is None else f"its density has {fault}"


def bar_graph(manifest: Manifest, part: str) -> GraphName:
    """The name of the graph that decodes the bars of a part."""
    return "bar" if len(manifest.outputs) == 1 else f"bar-{part}"


def _outputs_fault(manifest: Manifest) -> str | None:
    """What of the parts, their graphs and their faders cannot be true together."""
    parts = [output.part for output in manifest.outputs]
    if len(set(parts)) < len(parts):
        return "two of its outputs have the same name"
    graphs = {"encoder", "start", *(bar_graph(manifest, part) for part in parts)}
    if graphs - set(manifest.graphs):
        return f"the graph {min(graphs - set(manifest.graphs))} is missing"
    if set(manifest.graphs) - graphs:
        return f"the graph {min(set(manifest.graphs) - graphs)} belongs to none of its outputs"
    sizes = [output.state_size or (manifest.state_size if len(parts) == 1 else 0) for output in manifest.outputs]
    if not all(sizes) or sum(sizes) != manifest.state_size:
        return "the states of its outputs are not its state"
    faders = [(attribute.output, attribute.name) for attribute in manifest.attributes]
    if len(set(faders)) < len(faders):
        return "it has two attributes of the same name"
    stray = {output for output, _ in faders} - (set(parts) if len(parts) > 1 else {""})
    if stray:
        return f"it has an attribute of {min(stray)!r}, which is none of its outputs"
    return None


def _fault(
    direction: tuple[float, ...], curve: tuple[tuple[float, float], ...], rest: float, latent_size: int
) -> str | None:
    if len(direction) != latent_size:
        return f"{len(direction)} coordinates, not {latent_size}"
    travels = [travel for travel, _ in curve]
    rising = all(before < after for before, after in pairwise(travels))
    if len(travels) < 2 or not rising or travels[0] != 0.0 or travels[-1] != 1.0:
        return "a curve that does not run from 0 to 1"
    if (rest, 0.0) not in curve:
        return "a curve that is not 0 at rest"
    furthest = max(abs(coordinate) for coordinate in direction) * max(abs(offset) for _, offset in curve)
    # Written so that not-a-number fails too.
    if not furthest <= MAX_COORDINATE:
        return f"a reach of {furthest:g}, more than {MAX_COORDINATE:g}"
    return None
