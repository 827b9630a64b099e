"""How is a step computed? Precision, memory layout and compilation make it faster and change only
its last bits.

The recorded path keeps its meaning under all of them: weights and updates are float32, flattened in
the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from anodiff.errors import ConfigError
from anodiff.settings.run import TrainingSettings

Forward = Callable[[Tensor], Tensor]


def to_memory_format(model: nn.Module, settings: TrainingSettings) -> nn.Module:
    """Put the model's weights into the memory format of the settings."""
    return model.to(memory_format=torch.channels_last) if settings.channels_last else model


def build_forward(model: nn.Module, settings: TrainingSettings, device: torch.device) -> Forward:
    """Return the forward pass: from inputs to outputs in float32 or float64, see `anodiff.training.losses.Loss`.

    Each batch size is compiled separately. Code for all sizes would depend on which came first, and
    so on interruptions.
    """
    network: Forward = torch.compile(model, dynamic=False) if settings.compile else model
    if settings.precision != "bf16" and not settings.channels_last:
        return network

    def forward(images: Tensor) -> Tensor:
        if settings.channels_last and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            outputs = network(images)
        return outputs if outputs.dtype == torch.float64 else outputs.float()

    return forward


def precision_warning(settings: TrainingSettings, device: torch.device) -> str | None:
    """Return a warning if the chosen precision makes training slower on this device."""
    if settings.precision != "bf16" or device.type != "cpu":
        return None
    if torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return "training.precision: this processor has no instructions for bf16; float32 is many times as fast on it"


@contextmanager
def float32_precision(settings: TrainingSettings) -> Iterator[None]:
    """Set the precision of float32 matrix products and convolutions on a GPU.

    The caller's precision is restored.

    Raises
    ------
    ConfigError
        If the network cannot be compiled.
    """
    matrices, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if settings.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = settings.precision == "tf32"
    try:
        yield
    except RuntimeError as error:
        if not (settings.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))):
            raise
        reason = " ".join(str(error).split("Set TORCHDYNAMO")[0].split())
        raise ConfigError(f"training.compile: {reason}; set it to false to train anyway") from None
    finally:
        torch.set_float32_matmul_precision(matrices)
        torch.backends.cudnn.allow_tf32 = convolutions
