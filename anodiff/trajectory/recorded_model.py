"""Which tensors of a model are its point in weight space, and are they still the same ones?

The path is that of the trainable parameters. Frozen ones are constant, and are stored once. A
parameter that is replaced, added, thawed or moved in secret would leave a path of another model;
so the model is compared with what it was, now and then and at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.errors import ConfigError
from anodiff.models.wrappers import named_parameters
from anodiff.trajectory.flat_parameters import (
    FlatParameters,
    as_reals,
    count_numbers,
    exact_type,
    is_sharded_tensor,
    local_part,
)
from anodiff.trajectory.groups import Groups, parameter_groups, selected

if TYPE_CHECKING:
    from torch import Tensor, nn


class RecordedModel:
    """A model's parameters as they are when a recording begins.

    Attributes
    ----------
    trainable, frozen
        Names and parameters, in the model's order.
    left_out
        Names and parameters that are trained, but not wanted.
    groups
        The recorded ones' division, see `anodiff.trajectory.groups`; empty without one.
    digests
        Of the frozen parameters' values, by name.

    Raises
    ------
    ConfigError
        If the model has no trainable parameter, or a lazy one, or a pattern fits none.
    """

    def __init__(self, model: nn.Module, *, parameters: str | Sequence[str] | None = None, groups: Groups = None) -> None:
        self._model = model
        reshard(model)
        named = named_parameters(model)
        if not named:
            raise ConfigError("the model has no parameters, so there is no path to record")
        self.trainable = [(name, parameter) for name, parameter in named if parameter.requires_grad]
        self.frozen = [(name, parameter) for name, parameter in named if not parameter.requires_grad]
        if not self.trainable:
            raise ConfigError("all parameters of the model are frozen, so there is no path to record; train at least one")
        self.patterns = [parameters] if isinstance(parameters, str) else parameters
        wanted = set(selected([name for name, _ in self.trainable], parameters))
        self.left_out = [each for each in self.trainable if each[0] not in wanted]
        self.trainable = [each for each in self.trainable if each[0] in wanted]
        self.groups = parameter_groups(model, [name for name, _ in self.trainable], groups)
        self._type = exact_type([parameter for _, parameter in self.trainable])
        self.digests = self._local_digests = self._frozen_digests()
        self._gathered: dict[str, Tensor] = {}

    def gather_frozen(self, *, keep: bool) -> None:
        """Gather the frozen parameters that are distributed, one after another; all ranks call it.

        Parameters
        ----------
        keep
            Whether this process will be asked for `frozen_values`.
        """
        for name, parameter in self.frozen:
            if is_sharded_tensor(parameter):
                whole = parameter.full_tensor().cpu()  # type: ignore[attr-defined]
                self.digests = self.digests | {name: _digest(whole)}
                if keep:
                    self._gathered[name] = whole

    def table(self) -> list[dict[str, Any]]:
        """Return name, shape, offset and type of each trainable parameter; see `tensor_table`."""
        return tensor_table(self.trainable)

    def group_table(self) -> list[dict[str, Any]]:
        """Return name, parameters and number of numbers of each group."""
        sizes = {name: count_numbers(parameter) for name, parameter in self.trainable}
        return [
            {"name": group.name, "parameters": list(group.parameters), "size": sum(sizes[name] for name in group.parameters)}
            for group in self.groups
        ]

    def frozen_values(self) -> NDArray[Any]:
        """Return the frozen parameters as one vector, float32 or float64."""
        import torch

        flat = FlatParameters([self._gathered.get(name, parameter) for name, parameter in self.frozen])
        row = torch.empty(flat.size, dtype=flat.dtype, device=flat.device)
        flat.copy_to(row)
        return row.cpu().numpy()

    def _frozen_digests(self) -> dict[str, str]:
        return {name: _digest(local_part(parameter)) for name, parameter in self.frozen}

    def check(self, path: Path, *, values: bool) -> None:
        """Check that the model has the parameters that it had, and with ``values`` that the frozen
        ones did not move.

        Raises
        ------
        ConfigError
            If not; it says which.
        """
        before = dict((*self.trainable, *self.left_out, *self.frozen))
        reshard(self._model)
        now = dict(named_parameters(self._model))
        other = [name for name, parameter in before.items() if parameter is not now.get(name)]
        changes = [f"{name} was {'replaced' if name in now else 'removed'}" for name in other]
        changes += [f"{name} was added" for name in now if name not in before]
        changes += [f"{name} is trained now, but was frozen" for name, parameter in self.frozen if parameter.requires_grad]
        if exact_type([parameter for _, parameter in self.trainable]) != self._type:
            changes.append(f"the parameters' type is now {next(iter(now.values())).dtype}")
        if changes:
            more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
            raise ConfigError(
                f"{path}: the model is not the one whose recording began: {changes[0]}{more}; "
                "begin a recording after the last change"
            )
        moved = (
            [name for name, digest in self._frozen_digests().items() if digest != self._local_digests[name]] if values else []
        )
        if moved:
            raise ConfigError(
                f"{path}: frozen parameters of the model moved, such as {moved[0]}; record only the part of the model "
                "that is trained, or begin the recording before freezing them, so that they are recorded"
            )


def reshard(model: nn.Module) -> None:
    """Let ``fully_shard`` give back the weights that it gathered for a forward pass."""
    for module in model.modules():
        if hasattr(module, "set_reshard_after_forward"):  # an FSDPModule
            module.reshard()  # type: ignore[operator]


def _digest(tensor: Tensor) -> str:
    import torch

    values = as_reals(tensor).cpu().contiguous().reshape(-1)
    return hashlib.blake2b(values.view(torch.uint8).numpy().data, digest_size=16).hexdigest()


def tensor_table(named: Sequence[tuple[str, Tensor]]) -> list[dict[str, Any]]:
    """Return name, shape, type, and first column in a point, of each tensor."""
    offsets = np.cumsum([0, *(count_numbers(tensor) for _, tensor in named)])
    return [
        {"name": name, "shape": list(tensor.shape), "offset": int(offset), "dtype": str(tensor.dtype).removeprefix("torch.")}
        for (name, tensor), offset in zip(named, offsets[:-1], strict=True)
    ]
