"""Whether the sizes that a manifest gives agree: its graphs, its sizes, its codec."""

from itertools import pairwise
from typing import Final

from autoloops_engine.bundle.manifest import Curve, Graph, GraphName, Manifest, Output, Tensor, bar_graph
from autoloops_engine.codecs.registry import codec_named

_WHOLE_NUMBERS: Final = frozenset({"previous", "tokens"})

_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def misfit(manifest: Manifest) -> str | None:
    """What of the sizes cannot be true together; None when all is well.

    Raises:
        BundleError: this program does not know the codec.
    """
    for output in manifest.outputs:
        codec = codec_named(output.codec)
        if output.classes != codec.classes:
            return f"it has {output.classes} classes, and {codec.name} has {codec.classes}"
        if output.played and len(output.played) != len(codec.extras):
            return (
                f"it has {len(output.played)} curves of {output.part}, and {codec.name} has {len(codec.extras)} extras"
            )
        if not all(_is_curve(curve) for curve in output.played):
            return f"{output.part} is to be played along a curve that does not rise from point to point within -1 to 1"
    if manifest.kind == "flat" and manifest.embedding_size != manifest.latent_size:
        return f"its embeddings have {manifest.embedding_size} numbers, and its latent points {manifest.latent_size}"
    for name, (inputs, outputs) in expected(manifest).items():
        fault = _fault(manifest.graphs[name], inputs, outputs)
        if fault:
            return f"the graph {name} has {fault}"
    return None


def _is_curve(curve: Curve) -> bool:
    # Written so that not-a-number fails too.
    within = all(abs(number) <= 1 for point in curve for number in point)
    return within and len(curve) >= 2 and all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(curve))


def starts_of(manifest: Manifest) -> int:
    """How many states and embeddings the start graph answers for a loop: one, or one for each bar."""
    return 1 if manifest.kind == "flat" else manifest.bars


def state_size_of(manifest: Manifest, output: Output) -> int:
    """How many numbers of the decoder's state are those of an output."""
    return output.state_size or manifest.state_size


def expected(manifest: Manifest) -> dict[GraphName, tuple[_Shapes, _Shapes]]:
    """Inputs and outputs by graph: what they are for, and their sizes behind the batch axis.

    Raises:
        BundleError: this program does not know a codec.
    """
    z, state, embedding = manifest.latent_size, manifest.state_size, manifest.embedding_size
    starts, steps = starts_of(manifest), manifest.bars * manifest.steps_per_bar
    features = sum(codec_named(output.codec).feature_size for output in manifest.outputs)
    return {
        "encoder": ((("features", (steps, features)),), (("mu", (z,)), ("sigma", (z,)))),
        "start": ((("z", (z,)),), (("state", (starts, state)), ("embeddings", (starts, embedding)))),
        **{bar_graph(manifest, output.part): _expected_bar(manifest, output) for output in manifest.outputs},
    }


def _expected_bar(manifest: Manifest, output: Output) -> tuple[_Shapes, _Shapes]:
    state, steps = state_size_of(manifest, output), manifest.steps_per_bar
    scores = (steps, output.classes)
    extras = tuple((extra.name, (steps, extra.size)) for extra in codec_named(output.codec).extras)
    inputs: _Shapes = (
        ("state", (state,)),
        ("embedding", (manifest.embedding_size,)),
        ("previous", ()),
        ("temperature", ()),
        ("noise", scores),
        ("bias", scores),
    )
    return inputs, (("tokens", (steps,)), ("states", (steps, state)), ("logits", scores), *extras)


def _fault(graph: Graph, inputs: _Shapes, outputs: _Shapes) -> str | None:
    for tensors, expected, what in ((graph.inputs, inputs, "inputs"), (graph.outputs, outputs, "outputs")):
        if len(tensors) != len(expected):
            return f"{len(tensors)} {what}, not {len(expected)}"
        for tensor, (role, sizes) in zip(tensors, expected, strict=True):
            if not _fits(tensor, role, sizes):
                shape = ", ".join(["batch", *(str(size) for size in sizes)])
                return f"{tensor.name} where {role} of [{shape}] is needed"
    return None


def _fits(tensor: Tensor, role: str, sizes: tuple[int, ...]) -> bool:
    dtype = "int64" if role in _WHOLE_NUMBERS else "float32"
    batch, rest = tensor.shape[:1], tensor.shape[1:]
    return tensor.dtype == dtype and len(batch) == 1 and isinstance(batch[0], str) and rest == sizes
