"""Which part of an update is the gradient's, and which the optimiser's? Walks beside the path.

With learning rate η_k, gradient g_k and weight decay λ at the step from w_k to w_{k+1}:

- ``gradient``: Σ −η_k g_k, where plain SGD would go with these gradients: no momentum, no
  preconditioning, no weight decay.
- ``decay``: Σ −η_k λ w_k, what weight decay does by itself. Of an L2 penalty, which the optimiser
  adds to the gradient, it is the part before momentum and preconditioning.
- ``preconditioned``: Σ (Δw_k + η_k λ w_k), the path without decoupled weight decay (Loshchilov and
  Hutter, arXiv 1711.05101): what the optimiser makes of the gradients.

They are read by a hook right before the optimiser's step, so gradients are as it uses them: clipped,
unscaled, accumulated. A step that it skips is a step of length 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError, did_you_mean
from anodiff.trajectory.flat_parameters import FlatParameters, as_reals, contiguous_vector, count_numbers, local_part
from anodiff.trajectory.update_sources import PointUpdates, Updates

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

GRADIENT, PRECONDITIONED, DECAY = "gradient", "preconditioned", "decay"
WALKS = (GRADIENT, PRECONDITIONED, DECAY)


class OptimiserWalks:
    """The steps of the walks beside a model's path, taken from its optimisers.

    Parameters
    ----------
    parameters
        The recorded parameters.
    names
        Their names, for messages.
    optimisers
        One or more that step all of them, themselves or a vector whose parts they are.
    walks
        Some of `WALKS`.

    Raises
    ------
    ConfigError
        If a walk is unknown, a parameter belongs to no optimiser, or weight decay cannot be
        separated.
    """

    def __init__(
        self,
        parameters: FlatParameters,
        names: Sequence[str],
        optimisers: Optimizer | Sequence[Optimizer] | None,
        walks: Sequence[str],
    ) -> None:
        import torch

        self.walks = checked_walks(walks)
        if optimisers is None or (isinstance(optimisers, list | tuple) and not optimisers):
            raise ConfigError(f"walks {', '.join(self.walks)}: pass the optimiser whose steps they are as 'optimiser'")
        chosen: list[Any] = list(optimisers) if isinstance(optimisers, list | tuple) else [optimisers]
        for each in chosen:
            if not isinstance(each, torch.optim.Optimizer):
                raise ConfigError(f"optimiser is a {type(each).__name__}; give a torch.optim.Optimizer, or a list of them")
        self._points = PointUpdates(parameters)
        wanted = {DECAY if walk == PRECONDITIONED else walk for walk in self.walks}
        self._vectors = {
            name: torch.zeros(parameters.size, dtype=parameters.dtype, device=parameters.device) for name in wanted
        }
        self._parts = _divided(parameters, names, chosen)
        self._stepped: set[int] = set()
        if PRECONDITIONED in self.walks:
            for optimiser in chosen:
                _refuse_coupled_decay(optimiser)
        self._optimisers = chosen
        self._handles: list[Any] = []

    def source(self, walk: str) -> VectorUpdates:
        """Return the updates of a walk."""
        if walk == PRECONDITIONED:
            return VectorUpdates(self._points, self._vectors[DECAY], beside=True)
        return VectorUpdates(self._points, self._vectors[walk])

    def begin(self) -> None:
        """Hook the optimisers."""
        self._handles = [optimiser.register_step_pre_hook(self._before_step) for optimiser in self._optimisers]

    def end_step(self) -> None:
        """Complete the step that is being recorded: what no optimiser stepped has not moved."""
        for key, _, _, _, places in self._parts:
            if key not in self._stepped:
                for vector in self._vectors.values():
                    for place in places:
                        vector[place].zero_()
        self._stepped.clear()

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _before_step(self, optimiser: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Keep the step's vectors; if a closure computes its gradients, right after that."""
        closures = [each for each in (*arguments, *keywords.values()) if callable(each)]
        if not closures:
            self._keep(optimiser)
            return None
        closure, calls = closures[0], 0

        def kept_closure() -> Any:
            nonlocal calls
            loss, calls = closure(), calls + 1
            if calls > 1:
                raise ConfigError(
                    f"walks: {type(optimiser).__name__} computes several gradients within a step, so none of them is the "
                    "step's; leave 'walks' out"
                )
            self._keep(optimiser)
            return loss

        def exchanged(value: Any) -> Any:
            return kept_closure if value is closure else value

        return tuple(map(exchanged, arguments)), {name: exchanged(value) for name, value in keywords.items()}

    def _keep(self, optimiser: Optimizer) -> None:
        import torch

        again = id(optimiser) in self._stepped
        with torch.no_grad():
            for key, index, parameters, span, places in self._parts:
                if key != id(optimiser):
                    continue
                group = optimiser.param_groups[index]
                rate, decay = group["lr"], group.get("weight_decay", 0)
                sign = 1 if group.get("maximize") else -1
                for name, vector in self._vectors.items():
                    tensors = [each.grad if name == GRADIENT else each for each in parameters]
                    tensors = [None if each is None else local_part(each) for each in tensors]
                    factor = sign * rate if name == GRADIENT else -rate * decay
                    _write(vector[span] if span else None, [vector[place] for place in places], tensors, factor, again)
        self._stepped.add(id(optimiser))


class VectorUpdates:
    """The steps of a walk that are at hand after every step of the path, shape (P,).

    With ``beside``, the walk is the path without them.
    """

    def __init__(self, points: PointUpdates, vector: Tensor, *, beside: bool = False) -> None:
        self._points, self._vector, self._beside = points, vector, beside
        self.size, self.dtype, self.device = points.size, points.dtype, points.device

    def begin(self) -> Updates:
        """Return the updates from the current point on."""
        return _Sums(self._vector, self._points.begin() if self._beside else None)


class _Sums:
    def __init__(self, vector: Tensor, path: Updates | None) -> None:
        self._vector, self._path, self._between = vector, path, None if path is None else vector.new_empty(vector.shape)

    def write(self, row: Tensor, *, first: bool, last: bool) -> None:
        if self._path is None or self._between is None:
            _ = row.copy_(self._vector) if first else row.add_(self._vector)
            return
        _ = row.copy_(self._vector).neg_() if first else row.sub_(self._vector)
        if last:
            self._path.write(self._between, first=True, last=True)
            row.add_(self._between)

    def state_dict(self) -> dict[str, Any]:
        return {} if self._path is None else self._path.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if self._path is not None:
            self._path.load_state_dict(state)


def checked_walks(walks: Sequence[str]) -> tuple[str, ...]:
    """Return the names of walks, each once, in their order.

    Raises
    ------
    ConfigError
        If one is unknown.
    """
    for walk in (walks,) if isinstance(walks, str) else walks:
        if walk not in WALKS:
            raise ConfigError(f"walks: {walk!r} is unknown; {did_you_mean(str(walk), WALKS)}")
    return tuple(walk for walk in WALKS if walk in walks)


def _refuse_coupled_decay(optimiser: Optimizer) -> None:
    import torch

    decoupled = tuple(getattr(torch.optim, name) for name in ("AdamW", "Muon") if hasattr(torch.optim, name))
    for group in optimiser.param_groups:
        coupled = not (isinstance(optimiser, decoupled) or group.get("decoupled_weight_decay"))
        if group.get("weight_decay", 0) and coupled:
            raise ConfigError(
                f"walks: the weight decay of {type(optimiser).__name__} goes through its momentum or preconditioning, so it "
                "cannot be separated from 'preconditioned'; leave that walk out, or use AdamW"
            )


#: Key of an optimiser, number of its group, parameters in it, their common columns if they are adjacent, each one's columns.
_Part = tuple[int, int, list["Tensor"], slice | None, list[slice]]


def _divided(parameters: FlatParameters, names: Sequence[str], optimisers: Sequence[Optimizer]) -> list[_Part]:
    """Return the parameters by optimiser and group, with their columns in the vector."""
    holders: Callable[[Tensor], tuple[int, int] | None] = _holders(optimisers)
    found: dict[tuple[int, int], tuple[list[Tensor], list[slice]]] = {}
    start = 0
    for name, parameter in zip(names, parameters.sources, strict=True):
        holder = holders(parameter)
        if holder is None:
            raise ConfigError(
                f"walks: {name} belongs to no optimiser that was given; give all that step the recorded parameters"
            )
        tensors, places = found.setdefault(holder, ([], []))
        tensors.append(parameter)
        places.append(slice(start, start + count_numbers(local_part(parameter))))
        start = places[-1].stop
    parts: list[_Part] = []
    for (key, index), (tensors, places) in found.items():
        adjacent = all(one.stop == other.start for one, other in pairwise(places))
        parts.append((key, index, tensors, slice(places[0].start, places[-1].stop) if adjacent else None, places))
    return parts


def _holders(optimisers: Sequence[Optimizer]) -> Callable[[Tensor], tuple[int, int] | None]:
    """Return the function from a parameter to the optimiser and group that step it, or a vector in whose memory it lies."""
    own: dict[int, tuple[int, int]] = {}
    vectors: dict[int, tuple[int, int]] = {}
    for optimiser in optimisers:
        for index, group in enumerate(optimiser.param_groups):
            for tensor in group["params"]:
                own[id(tensor)] = vectors[local_part(tensor).untyped_storage().data_ptr()] = (id(optimiser), index)

    def holder(parameter: Tensor) -> tuple[int, int] | None:
        return own.get(id(parameter)) or vectors.get(local_part(parameter).untyped_storage().data_ptr())

    return holder


def _write(whole: Tensor | None, parts: list[Tensor], tensors: list[Tensor | None], factor: Any, again: bool) -> None:
    """Write ``factor`` times the tensors to their parts of a vector, or add it; None is 0."""
    import torch

    vector = contiguous_vector(tensors, parts[0].dtype) if whole is not None else None
    if vector is not None and whole is not None and not again and not isinstance(factor, torch.Tensor):
        torch.mul(vector, factor, out=whole)
        return
    for part, tensor in zip(parts, tensors, strict=True):
        if tensor is None:
            _ = None if again else part.zero_()
            continue
        values = as_reals(tensor).reshape(-1).to(part.device, part.dtype) * factor
        _ = part.add_(values) if again else part.copy_(values)
