"""Weights kept small on disk and run as float32.

``float16`` keeps 11 significant bits of every weight. ``int8`` keeps, for every matrix, whole numbers from -127 to 127
and one scale per row. The rounding happens in the PyTorch model, before export: what the graph computes with is then
exactly what the reference of the parity check holds, and storing a graph's initialisers small loses nothing more.
The casts that make float32 of them are constants, which onnxruntime folds when it loads the graph.
"""

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

Storage = Literal["float32", "float16", "int8"]
STORAGES: Final[tuple[Storage, ...]] = get_args(Storage)
LARGEST: Final = 127
# Below this many numbers an initialiser is not worth the extra nodes.
SMALL: Final = 2_048
# Few enough bits that a scale times a number up to 127 is exact in float32.
SCALE_BITS: Final = 11

Array = npt.NDArray[np.float32]


def rounded(weights: dict[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """The weights as they come back from ``storage``; vectors and scalars keep at least float16.

    Args:
        weights: A state dictionary.
        storage: How they will be kept.
    """
    if storage == "float32":
        return weights
    return {
        name: _rounded_rows(value)
        if storage == "int8" and value.ndim == 2
        else value.half().to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in weights.items()
    }


def _rounded_rows(weight: Tensor) -> Tensor:
    rows = weight.detach().cpu().float().numpy()
    scale = _scales(rows, axis=0)
    whole = np.clip(np.rint(rows / scale), -LARGEST, LARGEST).astype(np.float32)
    # The largest number of each row must be exactly 127 scales, or its scale could not be found again in the graph.
    return torch.from_numpy(whole * scale).to(weight.dtype)


def _scales(matrix: Array, axis: int) -> Array:
    """One scale per slice along ``axis``, kept as an axis of size one elsewhere: largest size / 127, few bits."""
    others = tuple(i for i in range(matrix.ndim) if i != axis)
    exact = np.abs(matrix).max(axis=others, keepdims=True) / LARGEST
    mantissa, exponent = np.frexp(exact)
    bits = np.float32(1 << SCALE_BITS)
    scale = np.ldexp(np.ceil(mantissa * bits) / bits, exponent).astype(np.float32)
    return np.where(scale > 0, scale, np.float32(1))


def compact(content: bytes, storage: Storage) -> bytes:
    """A graph with its large float initialisers kept as ``storage`` wherever that is exact.

    The graph computes the same as before, bit for bit; names of inputs and outputs stay.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    _strip(model)
    _share(graph)
    kept, nodes = [], []
    for initializer in graph.initializer:
        array = numpy_helper.to_array(initializer)
        small = _stored(array, storage) if array.dtype == np.float32 and array.size >= SMALL else None
        if small is None:
            kept.append(initializer)
            continue
        name, (numbers, scale) = initializer.name, small
        kept.append(numpy_helper.from_array(numbers, f"{name}.stored"))
        if scale is None:
            nodes.append(helper.make_node("Cast", [f"{name}.stored"], [name], to=onnx.TensorProto.FLOAT))
        else:
            kept.append(numpy_helper.from_array(scale, f"{name}.scale"))
            nodes.append(helper.make_node("Cast", [f"{name}.stored"], [f"{name}.whole"], to=onnx.TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [f"{name}.whole", f"{name}.scale"], [name]))
    rest = list(graph.node)
    del graph.initializer[:]
    del graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend([*nodes, *rest])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _stored(array: Array, storage: Storage) -> tuple[npt.NDArray[np.int8 | np.float16], Array | None] | None:
    """What to keep of ``array``, with its scales; None when the storage would change it."""
    if storage == "int8" and array.ndim >= 2:
        for axis in range(array.ndim):
            scale = _scales(array, axis)
            if scale.size == array.size:
                continue
            whole = np.rint(array / scale)
            if np.array_equal(whole * scale, array) and np.abs(whole).max() <= LARGEST:
                return whole.astype(np.int8), scale
    if storage != "float32":
        half = array.astype(np.float16)
        if np.array_equal(half.astype(np.float32), array):
            return half, None
    return None


def _share(graph: onnx.GraphProto) -> None:
    """Keeps once what the exporter keeps anew for every step that uses it."""
    if any(attribute.type == onnx.AttributeProto.GRAPH for node in graph.node for attribute in node.attribute):
        # Inner graphs name what lies outside of them.
        return
    fixed = {value.name for value in graph.output}
    kept: dict[bytes, onnx.TensorProto] = {}
    instead: dict[str, str] = {}
    for initializer in graph.initializer:
        array = numpy_helper.to_array(initializer)
        what = f"{initializer.data_type} {array.shape} ".encode() + array.tobytes()
        if initializer.name in fixed:
            what = initializer.name.encode()
        instead[initializer.name] = kept.setdefault(what, initializer).name
    remaining = list(kept.values())
    del graph.initializer[:]
    graph.initializer.extend(remaining)
    for node in graph.node:
        names = [instead.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(names)


def _strip(model: onnx.ModelProto) -> None:
    """Forgets what the exporter noted about sources and shapes: half the size of a small graph."""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    for initializer in model.graph.initializer:
        del initializer.metadata_props[:]
