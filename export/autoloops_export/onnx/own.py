"""Models of one's own: ``module:Class`` and its weights, found, loaded and asked for their sizes.

What a class must offer is :class:`autoloops_export.onnx.contract.LoopModel`; everything wrong with it is told before
any graph is made, in the words of the one who wrote it.
"""

import importlib
import re
import sys
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from autoloops_engine.bundle.manifest import MAX_BARS, Output
from autoloops_engine.codecs.registry import CODECS, DRUMS, MELODY, Codec
from autoloops_engine.errors import ModelError, UsageError
from autoloops_engine.units import STEPS_PER_BAR
from autoloops_export.models.sampling import choose
from autoloops_export.onnx.contract import ModelShape

FUNCTIONS: Final = ("encode", "start", "bar")
PART: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
# Unlike any size of a graph, so that an axis in the wrong place is seen.
ROWS: Final = 3
# torch.save writes a zip; before, and otherwise, pickles begin with their protocol.
PICKLES: Final = (b"PK", b"\x80")
LISTED: Final = 3
TOLERANCE: Final = 1e-4

_Sizes = tuple[int | str, ...]


def load_own(target: str, checkpoint: Path) -> tuple[nn.Module, ModelShape]:
    """A model of one's own in evaluation mode on the CPU, and its sizes.

    Args:
        target: ``module:Class``; the module is looked for in the working folder too.
        checkpoint: Its weights, ``.safetensors``.

    Raises:
        UsageError: there is no such module, class or file.
        ModelError: the class is not a model that can be played, or the weights are not its own.
    """
    found = import_class(target)
    name = found.__name__
    try:
        module: nn.Module = found().cpu().float().eval()
    except Exception as error:
        raise ModelError(
            f"{name}() cannot be made ({_reason(error)}): a model is made without arguments, so give them defaults."
        ) from error
    load_weights(module, checkpoint)
    return module, shape_of_own(module)


def import_class(target: str) -> type[nn.Module]:
    """The class that ``module:Class`` names.

    Raises:
        UsageError: there is none.
        ModelError: its module cannot be imported.
    """
    name, _, class_name = target.partition(":")
    if not all(word.isidentifier() for word in [*name.split("."), class_name]):
        raise UsageError(f"{target} names no model: give module:Class, or a checkpoint that `autoloops train` wrote.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise UsageError(
                f"There is no module {name}: go to the folder that holds {name.split('.')[0]}.py, or install it."
            ) from error
        raise ModelError(f"The module {name} cannot be imported ({_reason(error)}): mend it first.") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise UsageError(f"The module {name} has no {class_name}: name the class of your model.")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(f"{target} is not a class of torch.nn.Module: name the class of your model.")
    return found


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill ``module`` with the weights of ``path``, which must be its own, all of them and no others.

    Raises:
        UsageError: there is no such file, or it is a pickle.
        ModelError: it is damaged, or the weights are of something else.
    """
    name, own = type(module).__name__, module.state_dict()
    try:
        start = path.read_bytes()[:9]
        with safe_open(path, framework="pt") as file:
            saved = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): give the weights with --checkpoint.") from error
    except SafetensorError as error:
        if start.startswith(PICKLES):
            raise UsageError(
                f"{path} is a pickle, which can run code when it is loaded: "
                "write the weights with safetensors.torch.save_file(model.state_dict(), FILE)."
            ) from error
        raise ModelError(f"{path} is no safetensors file or damaged ({_reason(error)}): save it again.") from error
    for key, shape in saved.items():
        if key in own and shape != tuple(own[key].shape):
            raise ModelError(
                f"{path} has {key} as {list(shape)} and {name} wants {list(own[key].shape)}: "
                "give the weights of this class as it is."
            )
    # Weights that two names share are saved under one of them.
    at_hand = {own[key].data_ptr() for key in saved if key in own}
    missing = [key for key, value in own.items() if key not in saved and value.data_ptr() not in at_hand]
    if missing:
        raise ModelError(f"{path} lacks {_some(missing)} of {name}: give the weights of this class as it is.")
    unknown = [key for key in saved if key not in own]
    if unknown:
        raise ModelError(f"{path} has {_some(unknown)}, which {name} has not: give the weights of this class as it is.")
    module.load_state_dict(safetensors.torch.load_file(path), strict=False)


def shape_of_own(module: nn.Module) -> ModelShape:
    """The sizes of a model: its part, bars and codec as its class says, the others as its functions answer.

    Raises:
        ModelError: a function is missing, fails, or answers something else than is due.
    """
    asked = _Asked(module)
    part, bars, codec = asked.part, asked.bars, asked.codec
    features = torch.rand(ROWS, bars * STEPS_PER_BAR, codec.feature_size)
    mu, sigma = asked("encode", {"features": features}, {"mu": (ROWS, "Z"), "sigma": (ROWS, "Z")})
    if bool((sigma < 0).any()):
        raise ModelError(f"{asked.name}.encode answers a negative sigma: answer deviations, through softplus or exp.")
    latent = mu.shape[1]
    z = torch.randn(ROWS, latent)
    state, embeddings = asked("start", {"z": z}, {"state": (ROWS, "N", "S"), "embeddings": (ROWS, "N", "E")})
    begun, states = state.shape[1:]
    if begun not in (1, bars):
        raise ModelError(
            f"{asked.name}.start answers {begun} states for each loop: answer 1, which runs through the loop, "
            f"or {bars}, one for each bar."
        )
    flat = begun == 1
    if flat and embeddings.shape[2] != latent:
        raise ModelError(
            f"{asked.name}.start answers embeddings of {list(embeddings.shape)} where [{ROWS}, 1, {latent}] are due: "
            "where one state runs through the loop, bars are told z."
        )
    shape = ModelShape(
        kind="flat" if flat else "hierarchical",
        output=Output(part, codec.name, codec.classes),
        bars=bars,
        latent=latent,
        state=states,
        embedding=embeddings.shape[2],
        features=codec.feature_size,
        extras=codec.extras,
    )
    _require_bars(asked, shape, state[:, 0], embeddings[:, 0])
    return shape


class _Asked:
    """A model that is asked what it is."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.name = module, type(module).__name__
        for function in FUNCTIONS:
            if not callable(getattr(module, function, None)):
                raise ModelError(f"{self.name} has no function {function}: a model has encode, start and bar.")

    @property
    def part(self) -> str:
        part = getattr(self.module, "part", "melody")
        if not (isinstance(part, str) and PART.fullmatch(part)):
            raise ModelError(f"{self.name}.part is {part!r}: use a-z, 0-9, - and _, a letter first.")
        return part

    @property
    def bars(self) -> int:
        bars = getattr(self.module, "bars", 2)
        if not (isinstance(bars, int) and 1 <= bars <= MAX_BARS):
            raise ModelError(f"{self.name}.bars is {bars!r}: give a whole number from 1 to {MAX_BARS}.")
        return bars

    @property
    def codec(self) -> Codec:
        usual = DRUMS if self.part == "drums" else MELODY
        codec = getattr(self.module, "codec", usual.name)
        if codec not in CODECS:
            raise ModelError(f"{self.name}.codec is {codec!r}: choose one of {', '.join(sorted(CODECS))}.")
        return CODECS[codec]

    @torch.no_grad()
    def __call__(self, function: str, inputs: dict[str, Tensor], due: dict[str, _Sizes]) -> tuple[Tensor, ...]:
        """The answer of a function, which must have the types and sizes that are ``due``; names stand for any size."""
        try:
            answer: Any = getattr(self.module, function)(*inputs.values())
        except Exception as error:
            given = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
            raise ModelError(f"{self.name}.{function} fails on {given} ({_reason(error)}): mend it first.") from error
        tensors = isinstance(answer, tuple) and all(isinstance(value, Tensor) for value in answer)
        if not tensors or len(answer) != len(due):
            raise ModelError(f"{self.name}.{function} must answer a tuple of {len(due)} tensors: {', '.join(due)}.")
        sizes: dict[str, int] = {}
        for (name, wanted), value in zip(due.items(), answer, strict=True):
            kind = torch.int64 if name == "tokens" else torch.float32
            if value.dtype != kind or not _fits(value, wanted, sizes):
                raise ModelError(
                    f"{self.name}.{function} answers {name} as {_told(value.dtype, value.shape)} "
                    f"where {_told(kind, [sizes.get(str(size), size) for size in wanted])} is due."
                )
            if not bool(value.isfinite().all()):
                raise ModelError(f"{self.name}.{function} answers {name} that are not finite: train it again.")
        return tuple(answer)


def _fits(value: Tensor, wanted: _Sizes, sizes: dict[str, int]) -> bool:
    """Whether a tensor has the sizes wanted; what names stand for is learnt on the way."""
    if value.ndim != len(wanted):
        return False
    for found, size in zip(value.shape, wanted, strict=True):
        if found != (sizes.setdefault(size, found) if isinstance(size, str) else size):
            return False
    return True


def _require_bars(asked: _Asked, shape: ModelShape, state: Tensor, embedding: Tensor) -> None:
    """Let the bar function pass, or raise ModelError: sizes, how it chooses, and that it goes on from its states."""
    scores = (ROWS, STEPS_PER_BAR, shape.output.classes)
    noise = -(-torch.rand(scores).clamp(1e-9, 1 - 1e-7).log()).log()
    temperature = torch.tensor([0.0, 0.5, 1.0])
    inputs = {
        "state": state,
        "embedding": embedding,
        "previous": torch.zeros(ROWS, dtype=torch.int64),
        "temperature": temperature,
        "noise": noise,
        "bias": torch.randn(scores),
    }
    due: dict[str, _Sizes] = {
        "tokens": (ROWS, STEPS_PER_BAR),
        "states": (ROWS, STEPS_PER_BAR, shape.state),
        "logits": scores,
        **{extra.name: (ROWS, STEPS_PER_BAR, extra.size) for extra in shape.extras},
    }
    tokens, states, logits, *_ = asked("bar", inputs, due)
    steps = range(STEPS_PER_BAR)
    wanted = [choose(logits[:, s], inputs["bias"][:, s], temperature, noise[:, s]) for s in steps]
    if not torch.equal(torch.stack(wanted, 1), tokens):
        raise ModelError(
            f"{asked.name}.bar does not choose the largest of (logits + bias) / temperature + noise: "
            "call autoloops_export.models.sampling.choose."
        )
    half = STEPS_PER_BAR // 2
    again = inputs | {"state": states[:, half - 1], "previous": tokens[:, half - 1]}
    again |= {name: inputs[name].roll(-half, 1) for name in ("noise", "bias")}
    rest = asked("bar", again, due)[2]
    if not torch.allclose(rest[:, :half], logits[:, half:], atol=TOLERANCE):
        raise ModelError(
            f"{asked.name}.bar plays something else when it goes on from the state after a step: "
            "keep all that it remembers in the state, and nothing at random beside the noise."
        )


def _told(kind: torch.dtype, sizes: Any) -> str:
    return f"{str(kind).removeprefix('torch.')} [{', '.join(str(size) for size in sizes)}]"


def _some(keys: list[str]) -> str:
    more = len(keys) - LISTED
    return ", ".join(keys[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _reason(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
