"""Which samples form the batches of an epoch, and in which order?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from anodiff.errors import ConfigError


class Batches:
    """The order of sampling: index tensors, epoch by epoch, all drawn from one generator.

    An epoch draws from the generator once, when its first batch is asked for. So a resumed run
    needs only the state of the generator between two epochs, and an epoch that ends early does not
    change the next one.

    Parameters
    ----------
    samples
        Number of training samples.
    batch_size
        Samples per batch.
    replacement
        False: every epoch is a new permutation, with each sample once. True: every index of every
        batch is drawn independently and uniformly; all batches are full, and an epoch has as many
        as without replacement.
    drop_last
        Drop the last batch of an epoch if it is smaller than the others; with replacement, the
        batch in its place.
    generator
        Source of all randomness.
    device
        Device of the indices; they are moved there one epoch at a time.
    name
        Name of the data set, for the error message.

    Attributes
    ----------
    steps_per_epoch : int
        Batches per epoch.

    Raises
    ------
    ConfigError
        If a batch is larger than the training set.

    Examples
    --------
    >>> batches = Batches(5, 2, replacement=False, drop_last=False, generator=torch.Generator().manual_seed(0))
    >>> batches.steps_per_epoch, [len(indices) for indices in batches.epoch()]
    (3, [2, 2, 1])
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        *,
        replacement: bool,
        drop_last: bool,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
        name: str = "the data set",
    ) -> None:
        if batch_size > samples:
            raise ConfigError(
                f"batch_size {batch_size} is larger than the {samples} training samples of {name}; "
                f"set training.batch_size to at most {samples}"
            )
        self.samples = samples
        self.batch_size = batch_size
        self.replacement = replacement
        self.steps_per_epoch = samples // batch_size if drop_last else -(-samples // batch_size)
        left_over = 0 if drop_last or replacement else samples % batch_size
        #: Samples of the smallest batch of an epoch.
        self.smallest = left_over or batch_size
        self._generator = generator
        self._device = device

    def epoch(self, skip: int = 0) -> Iterator[Tensor]:
        """Yield the indices of each batch of an epoch, (B,) int64; the last batch may be smaller.

        The first ``skip`` batches are left out, as if they had been yielded.
        """
        source = self._generator.device
        if self.replacement:
            shape = (self.steps_per_epoch, self.batch_size)
            drawn = torch.randint(self.samples, shape, generator=self._generator, device=source)
            yield from drawn.to(self._device)[skip:]
        else:
            order = torch.randperm(self.samples, generator=self._generator, device=source)
            yield from order.to(self._device).split(self.batch_size)[skip : self.steps_per_epoch]

    def state(self) -> Tensor:
        """Return the generator's state; taken before an epoch, it determines that epoch's order."""
        return self._generator.get_state()

    def restore(self, state: Tensor) -> None:
        """Set the generator to a state that `state` returned."""
        self._generator.set_state(state)
