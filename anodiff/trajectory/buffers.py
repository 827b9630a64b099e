"""Which numbers beside the weights does a forward pass use at a recorded point? The buffers.

Examples are the vectors of spectral normalisation, code books, and masks. A network with the
weights of one step and the buffers of another is a network that never was. Statistics of batch
normalisation are left out: the landscape estimates them for every point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anodiff.errors import ConfigError
from anodiff.models.wrappers import plain_names
from anodiff.trajectory.flat_parameters import as_reals, count_numbers, local_part
from anodiff.trajectory.recorded_model import tensor_table

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.nn.modules.batchnorm import _NormBase


class ForwardBuffers:
    """The buffers of a model that belong to its point, flattened one after another.

    They may be other tensors at every step, as some layers assign them anew, but not of another
    shape.
    """

    def __init__(self, model: nn.Module) -> None:
        named = forward_buffers(model)
        for name, buffer in named.items():
            if any(type(placement).__name__ != "Replicate" for placement in getattr(buffer, "placements", ())):
                raise ConfigError(
                    f"the buffer {name} is sharded; replicate it, or record without it by weights: sketch or none"
                )
        self.size = sum(count_numbers(buffer) for buffer in named.values())
        plain = plain_names(model)
        self.table: list[dict[str, Any]] = tensor_table([(plain(name), buffer) for name, buffer in named.items()])
        self._places = []
        for name, buffer in named.items():
            module, _, key = name.rpartition(".")
            self._places.append((name, buffer.shape, model.get_submodule(module)._buffers, key))

    def copy_to(self, row: Tensor) -> None:
        """Copy the values to ``row``, shape (size,), float64; integers are exact to 2⁵³.

        Raises
        ------
        ConfigError
            If a buffer is gone or has another shape than when the recording began.
        """
        import torch

        flat = []
        for name, shape, buffers, key in self._places:
            buffer = buffers.get(key)
            if buffer is None or buffer.shape != shape:
                found = "is gone" if buffer is None else f"has shape {tuple(buffer.shape)}"
                raise ConfigError(f"the model's buffer {name} had shape {tuple(shape)} and {found}; keep its shape")
            flat.append(as_reals(local_part(buffer)).reshape(-1).to(row.device, row.dtype))
        torch.cat(flat, out=row)


def forward_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's buffers by name, without the statistics of its normalisations."""
    left_out = {id(buffer) for layer in statistics_layers(model) for buffer in layer.buffers(recurse=False)}
    return {name: buffer for name, buffer in model.named_buffers() if id(buffer) not in left_out and buffer.numel()}


def statistics_layers(model: nn.Module) -> list[_NormBase]:
    """Return the layers that normalise with statistics of samples seen before."""
    from torch.nn.modules.batchnorm import _NormBase

    return [layer for layer in model.modules() if isinstance(layer, _NormBase) and layer.track_running_stats]
