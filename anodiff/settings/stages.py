"""What can be set for the stages after training? A change repeats them and trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from anodiff.settings.base import Folder, Named, Seed, Settings

Hurst = Annotated[float, Field(gt=0, lt=1)]

#: Presets of the simplified model: how each differs from the defaults, which are those of the first.
PRESETS: dict[str, dict[str, Any]] = {
    "chen2021": {},
    "ly2025": {"learning_rate": 0.2, "noise": 0.0, "interpolation": 3},
    "levy": {"noise_index": 1.5},
}

#: Steps of all walkers of a surface together: 120 bytes each.
MOST_WALKED = 1_000_000_000

#: Settings that the presets in ``beside`` take from the main model: the surfaces, and the number of walkers and steps.
SHARED_SETTINGS = ("hurst", "multifractional", "points", "deviation", "walkers", "steps", "boundary", "seed")
PresetName = Literal["chen2021", "ly2025", "levy"]


class AnalysisSettings(Settings):
    """How the path is analysed. A change repeats the analysis and trains nothing."""

    lags_per_decade: Annotated[int, Field(ge=4, le=1000)] = 20
    """Number of lags per decade at which the curves are kept, evenly spaced in log τ."""
    largest_lag: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Largest lag, as a fraction of the window."""
    slope_width: Annotated[float, Field(gt=0, le=2)] = 0.25
    """Width, in decades of lag, of the range over which a local exponent is fitted."""
    long_lags: tuple[Annotated[int, Field(ge=1, le=10_000_000)], Annotated[int, Field(ge=2, le=10_000_000)]] = (200, 900)
    """Range of lags, in optimiser steps, over which the table's long-lag exponent is fitted."""
    null_draws: Annotated[int, Field(ge=2, le=1000)] = 20
    """How many times each null (shuffled updates, random signs) is drawn for a window."""

    @model_validator(mode="after")
    def _ordered(self) -> AnalysisSettings:
        if self.long_lags[0] >= self.long_lags[1]:
            raise ValueError(f"long_lags: {list(self.long_lags)} must increase, as in [200, 900]")
        return self


class CharacterSettings(Settings):
    """What kind of walk each coordinate of the path is, read by trained networks. A change repeats
    this and trains nothing."""

    enabled: bool = True
    """false omits it."""
    projections: Annotated[int, Field(ge=2, le=1000)] = 32
    """Number of random coordinates of each window. Neighbours form the random pairs."""
    components: Annotated[int, Field(ge=2, le=8)] = 3
    """Number of principal coordinates of each window. The first two form the principal pair."""
    nulls: Annotated[int, Field(ge=1, le=999)] = 19
    """How many times each null (shuffled updates, random signs) is drawn for the principal
    coordinates of a window. The smallest p-value is 1 over this plus 1."""
    weights: Folder | None = None
    """Folder of other networks, ``1d.safetensors`` and ``2d.safetensors`` with their cards, such as
    the target ``inference`` trains; null: those that anodiff ships."""
    seed: Seed = 0
    """Seed of the random coordinates and the nulls."""


class SimplifiedModelSettings(Named):
    """Walkers that descend generated surfaces: fractional ones with several Hurst exponents, and
    others for comparison."""

    name: PresetName = "chen2021"
    """A preset, which other keys override. chen2021: weak Gaussian noise, as published (learning
    rate 0.02, noise 0.01, 1000 steps, [-1, 1]²); ly2025: deterministic descent with steps too large
    for the surface's curvature (learning rate 0.2, no noise, bicubic); levy: chen2021 with
    heavy-tailed noise (α = 1.5)."""
    beside: Annotated[list[PresetName], Field(max_length=10)] = ["ly2025", "levy"]
    """Further presets whose walkers descend the same surfaces. They take the settings of surfaces,
    and the number of walkers and steps, from here."""
    beside_surfaces: Annotated[int, Field(ge=2, le=1000)] = 3
    """Number of surfaces of each kind for the presets in ``beside``: the first of ``surfaces``."""
    enabled: bool = True
    """false omits the simplified model."""
    hurst: Annotated[list[Hurst], Field(min_length=1, max_length=100)] = [0.3, 0.5, 0.7, 0.9]
    """Hurst exponents of the fractional surfaces. The shuffled surface is made from the last."""
    multifractional: tuple[Hurst, Hurst] = (0.3, 0.9)
    """Lowest and highest Hurst exponent of the multifractional surface."""
    points: Annotated[int, Field(ge=9, le=4097)] = 257
    """Points along a side of a surface: a power of 2 plus 1."""
    deviation: Annotated[float, Field(gt=0)] = 0.1
    """Standard deviation of a surface's heights. With the learning rate, it sets how far a step
    goes. Its value is not published."""
    surfaces: Annotated[int, Field(ge=2, le=1000)] = 8
    """Surfaces of each kind, each with its own walkers. Intervals are over the surfaces."""
    walkers: Annotated[int, Field(ge=2, le=1_000_000)] = 300
    """Walkers on each surface. Their starting points are uniform."""
    steps: Annotated[int, Field(ge=100, le=1_000_000)] = 1000
    """Steps of each walker."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    """Learning rate η, in units of half the side of the square."""
    noise: Annotated[float, Field(ge=0)] = 0.01
    """Noise strength σ, in the same units."""
    noise_index: Annotated[float, Field(gt=0, le=2)] = 2.0
    """Stability index α of Lévy-stable noise; 2 is Gaussian."""
    boundary: Literal["reflecting", "rejecting"] = "reflecting"
    """At the edge of the square, walkers are reflected, or stay where they are for this step."""
    interpolation: Literal[1, 3] = 1
    """Order of interpolation between the points of a surface: 1 is bilinear, 3 bicubic."""
    seed: Seed = 0
    """Seed of the surfaces and the walkers."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Override the preset with the given settings."""
        value = {"name": value} if isinstance(value, str) else value
        return {**PRESETS.get(str(value.get("name")), {}), **value} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _fits(self) -> SimplifiedModelSettings:
        if (self.points - 1) & (self.points - 2):
            raise ValueError(f"points: {self.points} must be a power of 2 plus 1, such as 129")
        if self.walkers * self.steps > MOST_WALKED:
            raise ValueError(f"walkers times steps: {self.walkers * self.steps:,} are too many; at most {MOST_WALKED:,}")
        return self

    def by_name(self) -> dict[str, SimplifiedModelSettings]:
        """Return these settings and the presets in ``beside``, by name."""
        shared = {key: getattr(self, key) for key in SHARED_SETTINGS} | {"surfaces": min(self.surfaces, self.beside_surfaces)}
        models: dict[str, SimplifiedModelSettings] = {self.name: self}
        for name in self.beside:
            models.setdefault(name, SimplifiedModelSettings(name=name, beside=[], **shared))
        return models


Fraction = Annotated[float, Field(ge=0, le=1)]
Plane = Literal["path_first", "path_last", "random", "hessian", "gradient"]
BatchNormStatistics = Literal["centre", "per_point"]


class LandscapeSettings(Settings):
    """Slices of the loss landscape along runs that keep full weights."""

    seeds: Literal["first", "all", "none"] = "first"
    """Which runs of each configuration are examined: the run with the first seed, all, or none."""
    samples: Annotated[int | None, Field(ge=1, le=1_000_000_000)] = 512
    """Number of training samples that the loss is averaged over, drawn with ``seed``; null: all."""
    batch_norm: BatchNormStatistics = "centre"
    """Statistics of batch normalisation. centre: estimated at the centre of the slice, then held;
    per_point: estimated at every point."""
    planes: Annotated[list[Plane], Field(min_length=1, max_length=10)] = ["path_first", "path_last", "random", "hessian"]
    """Planes of the slices. path_first, path_last: the plane of the path in the first or last
    window. The others are at the end of the last window. random: two filter-normalised directions;
    hessian: the two eigenvectors of largest curvature; gradient: the steepest descent and the
    direction of largest curvature orthogonal to it."""
    points: Annotated[int, Field(ge=3, le=1001)] = 21
    """Points along a side of a slice."""
    seed: Seed = 0
    """Seed of the samples and the random directions."""

    @model_validator(mode="after")
    def _each_once(self) -> LandscapeSettings:
        if len(set(self.planes)) < len(self.planes):
            raise ValueError(f"planes: {self.planes} names a plane twice; name each once")
        return self


class RoughnessSettings(Settings):
    """Structure functions of the loss around points of the path."""

    at: Annotated[list[Fraction], Field(min_length=1, max_length=1000)] = [0.0, 0.05, 0.3, 1.0]
    """Points of the run, as fractions of its steps."""
    directions: Annotated[int, Field(ge=3, le=1000)] = 8
    """Number of directions of each kind: random ones, and directions of the path."""
    decades: Annotated[float, Field(gt=0, le=12)] = 4.0
    """Decades of distance, down from the path's displacement over the window."""
    radii_per_decade: Annotated[int, Field(ge=1, le=100)] = 4
    """Number of distances per decade."""


class CurvatureSettings(Settings):
    """The Hessian and the Gauss-Newton matrix at points of the path."""

    at: Annotated[list[Fraction], Field(min_length=1, max_length=1000)] = [0.0, 0.1, 1.0]
    """Points of the run, as fractions of its steps."""
    eigenvalues: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of largest eigenvalues. The path's motion is split into the span of as many
    eigenvectors of the Hessian and the rest."""
    gauss_newton: bool = True
    """true: also compute eigenvalues of the Gauss-Newton matrix."""
    probes: Annotated[int, Field(ge=0, le=1000)] = 1
    """Number of random vectors for the spectral density; 0: no density."""
    lanczos_steps: Annotated[int, Field(ge=2, le=10_000)] = 32
    """Steps of the Lanczos method for each random vector."""
    trace_products: Annotated[int, Field(ge=0, le=100_000)] = 12
    """Hessian-vector products for the trace; 0: no trace."""

    @model_validator(mode="after")
    def _enough_for_a_trace(self) -> CurvatureSettings:
        if 0 < self.trace_products < 6:
            raise ValueError(f"trace_products: {self.trace_products} are too few; give 0, or 6 or more")
        return self


FigureFormat = Literal["svg", "pdf", "png"]


class FigureSettings(Settings):
    """How the figures of the sweep and of its runs are written. A change draws them again and
    trains nothing."""

    formats: Annotated[list[FigureFormat], Field(min_length=1, max_length=10)] = ["svg"]
    """Formats of every figure. The page is made from svg, so it must be among them; pdf and png are
    for papers and slides, and together take twice as long as svg."""
    seeds: Literal["first", "all", "none"] = "all"
    """Which runs of each configuration have figures of their own: all, the run with the first seed,
    or none. Figures of the sweep show all runs."""

    @model_validator(mode="after")
    def _with_svg_and_each_once(self) -> FigureSettings:
        if len(set(self.formats)) < len(self.formats):
            raise ValueError(f"formats: {self.formats} names a format twice; name each once")
        if "svg" not in self.formats:
            raise ValueError(f"formats: {self.formats} leaves out svg, which the page needs; add it")
        return self
