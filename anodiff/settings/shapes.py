"""What does a network take, and what does it return? Images and one class each, or tokens and the next ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from anodiff.errors import ConfigError

#: Tokens of a sample of text, if ``model.context`` is not set.
DEFAULT_CONTEXT = 128

#: Tokens that go through a network at a time where its samples are texts, in the landscape's stages.
TOKENS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Images:
    """Square images (B, channels, size, size), and outputs (B, classes)."""

    channels: int
    size: int
    classes: int

    def __str__(self) -> str:
        return f"images of {self.channels} x {self.size} x {self.size}"

    @property
    def numbers(self) -> int:
        """Numbers of a sample."""
        return self.channels * self.size**2

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample with its label, in the largest type that it is stored in."""
        return 4 * self.numbers

    def outputs(self, batch: int) -> tuple[int, ...]:
        """Return the shape of the network's outputs for so many samples."""
        return batch, self.classes

    def batch_size(self, usual: int) -> int:
        """Return how many samples go through a network at a time where ``usual`` images would."""
        return usual


@dataclass(frozen=True)
class Tokens:
    """Blocks of tokens (B, context), and outputs (B, vocabulary, context): what comes after each token."""

    vocabulary: int
    context: int

    def __str__(self) -> str:
        return f"blocks of {self.context} tokens"

    @property
    def classes(self) -> int:
        """What an output is one of."""
        return self.vocabulary

    @property
    def numbers(self) -> int:
        """Numbers of a sample."""
        return self.context

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample with its labels, in the largest type that it is stored in: int32, and int64."""
        return 12 * self.context

    def outputs(self, batch: int) -> tuple[int, ...]:
        """Return the shape of the network's outputs for so many samples."""
        return batch, self.vocabulary, self.context

    def batch_size(self, usual: int) -> int:
        """Return how many samples go through a network at a time where ``usual`` images would."""
        return max(1, min(usual, TOKENS_AT_A_TIME // self.context))


#: What a network takes and returns.
Shape = Images | Tokens


def shape_of(name: str, sizes: Mapping[str, int | None]) -> Shape:
    """Return what a network takes and returns, from the sizes that are given.

    Raises
    ------
    ConfigError
        If they are neither those of `Images` nor those of `Tokens`, or one is below 1. ``name`` is
        the network's, for the message.
    """
    given = {what: value for what, value in sizes.items() if value is not None}
    for what, value in given.items():
        if value < 1:
            raise ConfigError(f"model {name!r}: {what} must be at least 1, got {value}")
    for kind in (Images, Tokens):
        if set(given) == {field.name for field in fields(kind)}:
            return kind(**given)
    raise ConfigError(
        f"model {name!r}: give channels, size and classes for images, or vocabulary and context for text; got "
        f"{', '.join(given) or 'none'}"
    )
