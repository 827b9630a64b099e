"""How does a run step with Muon? Its hidden matrices by Muon, all other parameters by AdamW, as one optimiser.

Muon (Jordan 2024, kellerjordan.github.io/posts/muon) makes the update of a matrix orthogonal. It is
made for matrices between hidden layers. Embeddings, the output layer, biases and all that is no
matrix are stepped by AdamW. Muon's steps are scaled to the length of AdamW's, by 0.2 sqrt(longer
side) (Liu et al. 2025, arXiv 2502.16982), so both have one learning rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from anodiff.errors import ConfigError
from anodiff.settings.optimiser import OptimiserSettings

#: How torch calls the scaling of Muon's steps.
AS_LONG_AS_ADAMW = "match_rms_adamw"


def build_muon(settings: OptimiserSettings, model: nn.Module) -> MuonWithAdamW:
    """Return the optimiser of a network's trained parameters.

    Raises
    ------
    ConfigError
        If this torch has no Muon, or the network no hidden matrix.
    """
    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(
            f"optimiser: torch {torch.__version__} has no Muon; install torch 2.9 or later, or set optimiser: adamw"
        )
    matrices = hidden_matrices(model)
    if not matrices:
        raise ConfigError(
            f"optimiser: muon is for matrices between hidden layers, and {type(model).__name__} has none; set optimiser: adamw"
        )
    own = {id(matrix) for matrix in matrices}
    others = [each for each in model.parameters() if each.requires_grad and id(each) not in own]
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    momentum: dict[str, Any] = {"momentum": settings.momentum, "nesterov": settings.nesterov}
    parts: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, adjust_lr_fn=AS_LONG_AS_ADAMW, **momentum, **common),
    ]
    if others:
        fused = all(parameter.is_floating_point() for parameter in others)
        parts.append(torch.optim.AdamW(others, betas=settings.betas, fused=fused, **common))
    return MuonWithAdamW(parts)


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the trained matrices that Muon steps, in the model's order.

    They are the parameters with two axes whose name ends in ``weight``, but not those of embeddings,
    nor of the last layer with parameters.
    """
    layers = [layer for layer in model.modules() if any(True for _ in layer.parameters(recurse=False))]
    ends = [layer for layer in layers if isinstance(layer, nn.Embedding | nn.EmbeddingBag)] + layers[-1:]
    left_out = {id(parameter) for layer in ends for parameter in layer.parameters(recurse=False)}
    return [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and parameter.ndim == 2
        and parameter.is_floating_point()
        and name.endswith("weight")
        and id(parameter) not in left_out
    ]


class MuonWithAdamW(torch.optim.Optimizer):
    """Several optimisers as one: their parameter groups one after another, and one state.

    Parameters
    ----------
    parts
        Optimisers with one group each, of different parameters.
    """

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self._parts = parts
        super().__init__([part.param_groups[0] | {"decoupled_weight_decay": True} for part in parts], {})
        self._share()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore groups and state of all parts."""
        super().load_state_dict(state_dict)
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch has overloads
        """Take a step of each part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def _share(self) -> None:
        """Let the parts use this optimiser's groups and state."""
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state
