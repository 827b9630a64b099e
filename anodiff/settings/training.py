"""How is a network trained: initial weights, length, batches and arithmetic?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from anodiff.settings.base import MOST_STEPS, Settings, name_label
from anodiff.settings.networks import Initialisation


class TrainingSettings(Settings):
    """Initial weights, length, batches and arithmetic."""

    initialisation: Annotated[Initialisation, name_label("init")] = "default"
    """kaiming: the published one (Kaiming-normal convolutions, linear layers normal with standard
    deviation 1e-3); default: torch's own."""
    batch_size: Annotated[int, Field(ge=1, le=10_000_000), name_label(None)] = 128
    """Samples per step."""
    steps: Annotated[int | None, Field(ge=2, le=MOST_STEPS)] = None
    """Length of the run in optimiser steps. Set either this or ``epochs``."""
    epochs: Annotated[int | None, Field(ge=1, le=MOST_STEPS)] = None
    """Length of the run in passes over the training set, at most as many steps. Set either this or
    ``steps``."""
    accumulation: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Micro-batches that a step's samples go through the network in, one after another. Memory is
    that of one of them. The gradient is that of the whole batch to rounding; only batch
    normalisation sees each micro-batch for itself."""
    loss: Annotated[Literal["cross_entropy", "mse", "hinge"], name_label("")] = "cross_entropy"
    """cross_entropy, for text the mean over all tokens; mse against one-hot targets, a mean over
    classes; hinge: with output f_c for each of C classes and y the right one, Σ max(0, 1 − f_y +
    f_c)/C over the others, as torch's multi_margin_loss."""
    decoupling: Annotated[float, Field(ge=0)] = 0.0
    """Spectral decoupling λ: λ Σ f_c² over the outputs is added to each sample's loss."""
    sampling: Annotated[Literal["without_replacement", "with_replacement"], name_label("")] = "without_replacement"
    """without_replacement: a new order in every epoch; with_replacement: independent batches, and
    as many steps per epoch."""
    drop_last: Annotated[bool, name_label("droplast")] = False
    """Drop the last batch of an epoch if it is smaller than the others."""
    evaluate_every: Annotated[int, Field(ge=1, le=MOST_STEPS), name_label("evaluate")] = 1
    """Measure loss and accuracy on the test set every N epochs, and after the last."""
    deterministic: bool = True
    """Use deterministic algorithms only: repeating the run on the same type of device gives the
    same bits."""
    precision: Annotated[Literal["float32", "tf32", "bf16"], name_label("")] = "float32"
    """Precision of the products within the network. float32; tf32: inputs rounded to 10 bits of
    mantissa, on GPUs that support it; bf16: forward and backward pass in bfloat16 (autocast).
    Weights, updates and recorded values are float32 in any case."""
    channels_last: Annotated[bool, name_label("channelslast")] = False
    """Store images and convolutions with the channel as the fastest index. Often faster; the last
    bits differ."""
    compile: bool = False
    """Compile the network with torch.compile. The first steps wait for the compiler; later ones are
    often faster. The last bits differ. The machine that trains needs a C++ compiler."""
    cuda_graph: Annotated[Literal["auto"] | bool, name_label("cudagraph")] = "auto"
    """Replay the forward and backward pass as CUDA graphs instead of launching each kernel. The
    bits are the same, and small networks train several times faster. The network must do the same
    in every step, and draw random numbers on the GPU only. auto: for the networks of this package
    unless compiled, not for torchvision's or your own. No effect on a CPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads of a training process. It belongs to the run because it changes the order of
    sums, and so the last bits."""
