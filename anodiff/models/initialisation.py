"""How weights start.

``default`` is torch's own: uniform in ±1/sqrt(fan-in) for convolutions and linear layers alike.

``kaiming`` is the published one, the ``init_params`` of kuangliu's pytorch-cifar, which the code of Chen, Qu & Gong
(2022) applies to every network: Kaiming-normal convolutions, and linear layers from a normal distribution of standard
deviation 1e-3 whatever their size. It is made for convolutional networks with one linear layer on top. Every further
linear layer of width 100 that no normalisation follows shrinks signal and gradient a hundredfold, so that (on the
digits, batch size 128, learning rate 0.1)

- the three-layer MLP rests on a plateau at a loss of ln(classes) for over 3,000 steps, against a few tens by default;
- in an MLP of 20 layers every weight's gradient is below 1e-40, which moves no weight of 1e-3 in float32;
- vision transformers of 2 and 6 blocks do not leave the plateau in 3,000 and 800 steps; by default they do in 200.

A path on such a plateau is the noise of the output bias and tells nothing about learning: use ``default`` for MLPs and
vision transformers. From 20 layers on, MLPs do not leave it with torch's own initialisation either. With
``batch_norm: true`` those of 20 layers learn in 300 steps, those of 56 begin to, and those of 110 do not.
"""

from __future__ import annotations

from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def initialise_kaiming(model: nn.Module) -> None:
    """Draw the weights of convolutions, linear layers and batch normalisations anew, in place.

    Convolutions: normal with standard deviation sqrt(2 / fan-in) (He et al. 2015, "Delving deep into rectifiers").
    Linear layers: normal with standard deviation 1e-3. Batch normalisation: weight 1. Their biases: 0. Other
    parameters, such as layer normalisation's and a transformer's tokens, stay as they are.
    """
    for layer in model.modules():
        if isinstance(layer, _CONVOLUTIONS):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in")
            _zero(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=1e-3)
            _zero(layer.bias)
        elif isinstance(layer, _BATCH_NORMS) and layer.affine:
            nn.init.ones_(layer.weight)
            _zero(layer.bias)


def _zero(bias: Tensor | None) -> None:
    if bias is not None:
        nn.init.zeros_(bias)
