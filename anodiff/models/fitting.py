"""How does a user's network become one from samples to logits, with the names of its own parameters?

It is tried on two blank images, or blocks of tokens, when it is built. What stands between it and
the run is put right where the meaning is plain: wrappers are taken off, images get the network's own
precision, the logits are taken from whatever it returns, and those of text, which most networks
return as (B, T, vocabulary), become (B, vocabulary, T). All else is refused in one line, and not
after hours in a queue.
"""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anodiff.errors import AnodiffError, ConfigError, reason_of
from anodiff.models.wrappers import without_wrappers
from anodiff.settings.shapes import Images, Shape, Tokens, shape_of

Key = str | int


def fit(name: str, model: nn.Module, *, logits: Key | None = None, **sizes: int) -> nn.Module:
    """Return the network so that it maps samples to logits; its mode and the generator are kept.

    Parameters
    ----------
    logits
        Key, attribute or index of the logits, if the network returns more than one tensor.
    **sizes
        The fields of `anodiff.settings.shapes.Images`, or of `Tokens`.

    Raises
    ------
    ConfigError
        If it does not take the samples, does not return logits, or has nothing to train.
    """
    shape = shape_of(name, sizes)
    model = without_wrappers(model)
    _make_gradients_dense(model)
    samples = _blank(shape)
    outputs = _try_out(name, model, samples, str(shape))
    what = "images" if isinstance(shape, Images) else "blocks of tokens"
    wanted = shape.outputs(2)
    returned = {wanted, _tokens_first(wanted)}
    if not isinstance(outputs, Tensor):
        key = _key_of_logits(name, outputs, logits, returned, what)
        model.register_forward_hook(TakeLogits(name, key))
        outputs = _select(name, outputs, key)
    if tuple(outputs.shape) in returned and _is_tokens_first(name, model, outputs, samples, shape):
        model.register_forward_hook(ClassesFirst())
        outputs = outputs.transpose(1, 2)
    if tuple(outputs.shape) != wanted:
        raise ConfigError(f"model {name!r} must map two {what} to logits of shape {wanted}, got {tuple(outputs.shape)}")
    alone = _outputs(model, samples[:1])
    if tuple(alone.shape) != shape.outputs(1):
        one = what.replace("images", "image").replace("blocks", "block")
        raise ConfigError(
            f"model {name!r} maps one {one} to {tuple(alone.shape)}, expected {shape.outputs(1)}; does it squeeze?"
        )
    if outputs.is_complex():
        raise ConfigError(f"model {name!r} returns complex numbers; logits are real, such as their absolute values")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"model {name!r} has no parameter to train: all are frozen, or its layers are in a plain list")
    if not outputs.requires_grad:
        raise ConfigError(f"model {name!r}: its outputs depend on no parameter that is trained; are they detached?")
    return model


@dataclasses.dataclass(frozen=True)
class ImagesInPrecision:
    """A forward pre-hook that gives the images the type of the network's weights."""

    def __call__(self, model: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the inputs in that type."""
        wanted = _precision(model)
        return tuple(each.to(wanted) if isinstance(each, Tensor) and each.is_floating_point() else each for each in inputs)


@dataclasses.dataclass(frozen=True)
class TakeLogits:
    """A forward hook that takes the logits from what a network returns, if that is not one tensor."""

    name: str
    key: Key

    def __call__(self, _: nn.Module, __: Any, outputs: Any) -> Tensor:
        """Return the logits."""
        return outputs if isinstance(outputs, Tensor) else _select(self.name, outputs, self.key)


@dataclasses.dataclass(frozen=True)
class ClassesFirst:
    """A forward hook that turns logits (B, T, vocabulary) into (B, vocabulary, T)."""

    def __call__(self, _: nn.Module, __: Any, outputs: Tensor) -> Tensor:
        """Return the logits, as a view."""
        return outputs.transpose(1, 2)


def failure(error: BaseException) -> str:
    """Return what was raised in a user's code, and where, on one line."""
    package = str(Path(__file__).parents[1])
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(package) and "site-packages" not in frame.filename]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    kind = "" if type(error) in (RuntimeError, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{reason_of(error)}{where}"


def _blank(shape: Shape) -> Tensor:
    """Return two samples of zeros."""
    if isinstance(shape, Tokens):
        return torch.zeros(2, shape.context, dtype=torch.int64)
    return torch.zeros(2, shape.channels, shape.size, shape.size)


def _tokens_first(outputs: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of outputs whose last axis are the classes."""
    return (outputs[0], *outputs[2:], outputs[1])


def _is_tokens_first(name: str, model: nn.Module, outputs: Tensor, samples: Tensor, shape: Shape) -> bool:
    """Return whether outputs are (B, T, vocabulary); if both are equal, a sample that is shorter by a token tells."""
    if not isinstance(shape, Tokens) or shape.vocabulary != shape.context:
        return tuple(outputs.shape) != shape.outputs(2)
    if shape.context == 1:
        return False
    try:
        return _outputs(model, samples[:, :-1]).shape[1] != shape.vocabulary
    except Exception as error:  # whatever a user's code raises
        raise ConfigError(
            f"model {name!r}: the context has as many tokens as the vocabulary, {shape.context}, so its logits may be either "
            f"way round, and it takes no fewer tokens ({failure(error)}); set another model.context"
        ) from error


def _try_out(name: str, model: nn.Module, images: Tensor, described: str) -> Any:
    """Return what a network makes of the samples; make it take images in its own precision if it must."""
    try:
        return _outputs(model, images)
    except AnodiffError:
        raise
    except Exception as error:  # whatever a user's code raises
        first = error
    precision = _precision(model)
    if images.is_floating_point() and precision not in (None, images.dtype):
        hook = model.register_forward_pre_hook(ImagesInPrecision())
        try:
            return _outputs(model, images)
        except Exception:  # then its precision was not what it failed for
            hook.remove()
    raise ConfigError(f"model {name!r} does not take {described}: {failure(first)}") from first


def _outputs(model: nn.Module, images: Tensor) -> Any:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            return model(images)
    finally:
        for module, training in modes.items():
            module.training = training


def _precision(model: nn.Module) -> torch.dtype | None:
    """Return the type of a network's first weights that are not integers; None without any."""
    types = (parameter.dtype for parameter in model.parameters())
    return next((each for each in types if each.is_floating_point or each.is_complex), None)


def _make_gradients_dense(model: nn.Module) -> None:
    """Let embeddings have dense gradients: the same numbers, which every optimiser takes."""
    for layer in model.modules():
        if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
            layer.sparse = False


def _entries(outputs: Any) -> dict[Key, Any]:
    """Return what a network returned, by key, attribute or index."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return dict(zip(outputs._fields, outputs, strict=True))
    if isinstance(outputs, tuple | list):
        return dict(enumerate(outputs))
    if dataclasses.is_dataclass(outputs):  # which may have slots
        return {field.name: getattr(outputs, field.name) for field in dataclasses.fields(outputs)}
    return dict(getattr(outputs, "__dict__", {}))


def _key_of_logits(name: str, outputs: Any, wanted: Key | None, shapes: set[tuple[int, ...]], what: str) -> Key:
    entries = _entries(outputs)
    tensors = {key: value for key, value in entries.items() if isinstance(value, Tensor)}
    fitting = [key for key, value in tensors.items() if tuple(value.shape) in shapes]
    if wanted is None and ("logits" in tensors or len(fitting) == 1):
        return "logits" if "logits" in tensors else fitting[0]
    if wanted in tensors:
        return wanted
    kind = type(outputs).__name__
    if not tensors:
        raise ConfigError(
            f"model {name!r} must map two {what} to logits of shape {' or '.join(map(str, sorted(shapes)))}, got {kind}"
        )
    held = ", ".join(f"{key!r} of shape {tuple(value.shape)}" for key, value in tensors.items())
    raise ConfigError(f"model {name!r} returns {kind} with {held}; set model.logits to the one that holds the logits")


def _select(name: str, outputs: Any, key: Key) -> Tensor:
    try:
        found = outputs[key] if isinstance(outputs, Mapping) or isinstance(key, int) else getattr(outputs, key)
    except (LookupError, TypeError, AttributeError):
        found = None
    if not isinstance(found, Tensor):
        raise ConfigError(f"model {name!r} returns {type(outputs).__name__} without logits {key!r}; set model.logits")
    return found
