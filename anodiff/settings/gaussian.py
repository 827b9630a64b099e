"""Which Gaussian points does a network train on, where the data are drawn and not read?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from anodiff.settings.base import Settings

#: Pixels of all gaussian_clusters or gaussian_modes together: 40 GB as float32.
MOST_PIXELS = 10_000_000_000


class ClusterSettings(Settings):
    """Gaussian clusters: class centres drawn from a normal distribution, and points around them
    with standard deviation 1."""

    classes: Annotated[int, Field(ge=2, le=10_000)] = 10
    """Number of classes; each is one cluster."""
    image_size: Annotated[int, Field(ge=2, le=512)] = 8
    """Each point is an image with one channel and this many pixels a side, so that any model can take
    it."""
    samples: Annotated[int, Field(ge=4, le=10_000_000)] = 2000
    """Total number of points; a fifth of them is the test set."""
    separation: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the centres' coordinates, in units of the clusters' own."""

    @model_validator(mode="after")
    def _bounded(self) -> ClusterSettings:
        if self.image_size**2 * max(self.samples, self.classes) > MOST_PIXELS:
            raise ValueError(f"samples times image_size² must be at most {MOST_PIXELS:,}")
        return self

    @property
    def test_samples(self) -> int:
        """Number of points in the test set."""
        return round(self.samples / 5)


class ModeSettings(Settings):
    """Gaussian modes: mode k is a cluster along pixel k, ``strengths[k]`` from the origin, and
    belongs to class k mod ``classes``. Without noise they are linearly separable, and no two have a
    pixel in common."""

    classes: Annotated[int, Field(ge=2, le=10_000)] = 2
    """Number of classes."""
    image_size: Annotated[int, Field(ge=2, le=512)] = 8
    """Each point is an image with one channel and this many pixels a side. There are at least as
    many pixels as modes."""
    strengths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=10_000)] = [2.0, 2.0, 1.0, 1.0]
    """For each mode, its brightness: the norm of its centre."""
    frequencies: Annotated[list[Annotated[float, Field(gt=0)]], Field(max_length=10_000)] | None = None
    """For each mode, how frequent it is, relative to the others. By default all are equally
    frequent. The numbers of points are proportional to it, rounded by largest remainders."""
    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of every pixel around its cluster's centre."""
    samples: Annotated[int, Field(ge=4, le=10_000_000)] = 2000
    """Total number of points; a fifth of them is the test set."""

    @model_validator(mode="after")
    def _fits(self) -> ModeSettings:
        modes, pixels = len(self.strengths), self.image_size**2
        if self.frequencies is not None and len(self.frequencies) != modes:
            raise ValueError(f"there are {modes} 'strengths' and {len(self.frequencies)} 'frequencies'; give one for each mode")
        if not self.classes <= modes <= pixels:
            raise ValueError(
                f"{modes} 'strengths' are too {'few' if modes < self.classes else 'many'}: one for each mode, of which there "
                f"are at least as many as 'classes', {self.classes}, and at most as many as pixels, {pixels}"
            )
        if pixels * self.samples > MOST_PIXELS:
            raise ValueError(f"samples times image_size² must be at most {MOST_PIXELS:,}")
        if 0 in self.counts(self.samples - self.test_samples):
            raise ValueError(f"{self.samples} 'samples' leave a mode without a training sample; set more")
        return self

    @property
    def test_samples(self) -> int:
        """Number of points in the test set."""
        return round(self.samples / 5)

    def counts(self, total: int) -> list[int]:
        """Return how many of ``total`` points belong to each mode, rounded by largest remainders.

        Examples
        --------
        >>> ModeSettings(strengths=[2, 1, 1], frequencies=[4, 2, 1]).counts(10)
        [6, 3, 1]
        """
        frequencies = self.frequencies or [1.0] * len(self.strengths)
        shares = [total * frequency / sum(frequencies) for frequency in frequencies]
        counts = [int(share) for share in shares]
        largest = sorted(range(len(shares)), key=lambda mode: counts[mode] - shares[mode])
        for mode in largest[: total - sum(counts)]:
            counts[mode] += 1
        return counts
