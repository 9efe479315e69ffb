"""A bundle run by onnxruntime. The only file that imports it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from autoloops_engine.bundle.load import Bundle, load_bundle
from autoloops_engine.bundle.manifest import Graph, GraphName, Manifest, bar_graph
from autoloops_engine.errors import ModelError
from autoloops_engine.inference.decoder import DecodedSteps, Floats, LoopStart, Posterior, Tokens


class OnnxDecoder:
    """Runs the graphs of a bundle on one thread each, without spinning.

    A bundle of one part satisfies the ``Decoder`` protocol as it is; one of several is played through the views of
    :mod:`autoloops_engine.inference.views`.
    Thread: one at a time; the interpreter lock is released while a graph runs.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Makes the graphs ready.

        Raises:
            ModelError: a graph cannot be loaded or is not what the manifest says.
        """
        self._manifest = bundle.manifest
        self._sessions = {name: _session(bundle, name) for name in bundle.manifest.graphs}
        self._outputs = {
            name: [tensor.name for tensor in graph.outputs] for name, graph in bundle.manifest.graphs.items()
        }
        self._played = {
            bar_graph(bundle.manifest, output.part): tuple(np.array(curve, np.float32).T for curve in output.played)
            for output in bundle.manifest.outputs
        }
        # All bars of a loop, and all parts that share a latent point, begin with the same answer.
        self._last_start: tuple[bytes, LoopStart] | None = None

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about the model."""
        return self._manifest

    def encode(self, features: Floats) -> Posterior:
        """See :meth:`Decoder.encode`."""
        mu, sigma = self._run("encoder", features)
        return Posterior(mu, sigma)

    def start(self, z: Floats) -> LoopStart:
        """See :meth:`Decoder.start`."""
        if len(z) != 1:
            return LoopStart(*self._run("start", z))
        key, last = z.tobytes(), self._last_start
        if last is None or last[0] != key:
            # Replaced as a whole: a thread that encodes with the same model meanwhile sees one pair or the other.
            last = self._last_start = (key, LoopStart(*self._run("start", z)))
        return last[1]

    def bar(
        self,
        state: Floats,
        embedding: Floats,
        previous: Tokens,
        temperature: Floats,
        noise: Floats,
        bias: Floats,
        output: str = "",
    ) -> DecodedSteps:
        """See :meth:`Decoder.bar`; ``output`` names the part where the model plays several."""
        name = bar_graph(self._manifest, output)
        tokens, states, logits, *extras = self._run(name, state, embedding, previous, temperature, noise, bias)
        curves = self._played[name] or (None,) * len(extras)
        return DecodedSteps(tokens, states, logits, tuple(map(_played, extras, curves)))

    def _run(self, name: GraphName, *inputs: Floats | Tokens) -> Sequence[Any]:
        tensors = self._manifest.graphs[name].inputs
        feed = {tensor.name: array for tensor, array in zip(tensors, inputs, strict=True)}
        try:
            outputs: Sequence[Any] = self._sessions[name].run(self._outputs[name], feed)
        except Exception as error:
            # onnxruntime documents no exception types; whatever it raises, the graph did not run.
            raise ModelError(f"The {name} graph of {self._manifest.name} failed: {_first_line(error)}.") from error
        return outputs


def _played(extra: Floats, curve: Floats | None) -> Floats:
    """What decoded values are played as; see :attr:`Output.played`."""
    if curve is None:
        return extra
    decoded, played = curve
    return np.where(extra == 0, extra, np.interp(extra, decoded, played).astype(np.float32))


def open_decoder(path: Path) -> OnnxDecoder:
    """Loads a bundle and makes it ready to run.

    Raises:
        BundleError: see :func:`load_bundle`.
        ModelError: a graph cannot be loaded or is not what the manifest says.
    """
    return OnnxDecoder(load_bundle(path))


def _session(bundle: Bundle, name: GraphName) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            bundle.graphs[name], sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ModelError(
            f"The {name} graph of {bundle.source} cannot be loaded: {_first_line(error)}; export it again."
        ) from error
    _check(session, bundle.manifest.graphs[name], f"The {name} graph of {bundle.source}")
    return session


def _check(session: onnxruntime.InferenceSession, graph: Graph, what: str) -> None:
    """Raises ModelError unless names, types and sizes are those of the manifest."""
    for tensors, found in ((graph.inputs, session.get_inputs()), (graph.outputs, session.get_outputs())):
        by_name = {node.name: node for node in found}
        for tensor in tensors:
            node = by_name.pop(tensor.name, None)
            if (
                node is None
                or node.type != f"tensor({_ORT_TYPES[tensor.dtype]})"
                or not _fits(tensor.shape, node.shape)
            ):
                raise ModelError(f"{what} has no {tensor.name} as its manifest says; export it again.")
        if by_name and tensors is graph.inputs:
            raise ModelError(f"{what} wants {min(by_name)}, which its manifest does not name; export it again.")


_ORT_TYPES = {"float32": "float", "int64": "int64"}


def _fits(listed: Sequence[int | str], found: Sequence[int | str | None]) -> bool:
    return len(listed) == len(found) and all(
        not isinstance(b, int) if isinstance(a, str) else a == b for a, b in zip(listed, found, strict=True)
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
