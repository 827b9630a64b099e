"""Which samples form the batches of an epoch, and in which order?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from anodiff.errors import ConfigError


class Batches:
    """The order of sampling: index tensors of one epoch after another, all drawn from one generator.

    An epoch makes one draw from the generator, when its first batch is asked for. So the state of the generator between
    two epochs is all that a resumed run needs, and an epoch that is left early does not change the next one.

    Parameters
    ----------
    samples
        Number of training samples.
    batch_size
        Samples a batch.
    replacement
        False: every epoch is a new permutation, so it holds each sample once. True: every index of every batch is drawn
        independently and uniformly; all batches are full, and an epoch has as many of them as without replacement.
    drop_last
        Leave out an epoch's last batch where it is smaller than the others; with replacement, the batch in its place.
    generator
        Source of the order.
    device
        Where the indices are wanted; they go there an epoch at a time.
    name
        The data set's name, for the message of the error.

    Attributes
    ----------
    steps_per_epoch : int
        Batches an epoch.

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
                f"write a training.batch_size of at most {samples}"
            )
        self.samples = samples
        self.batch_size = batch_size
        self.replacement = replacement
        self.steps_per_epoch = samples // batch_size if drop_last else -(-samples // batch_size)
        self._generator = generator
        self._device = device

    def epoch(self, skip: int = 0) -> Iterator[Tensor]:
        """Yield the indices of an epoch's batches, each (B,) int64, B being the batch size or less in the last one.

        With ``skip`` the first so many batches are left out, as if they had been yielded.
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
        """Return the state of the generator; taken before an epoch, it is that epoch's whole order."""
        return self._generator.get_state()

    def restore(self, state: Tensor) -> None:
        """Put the generator back into a state that `state` gave."""
        self._generator.set_state(state)
