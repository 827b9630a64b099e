"""What can be set of the stages after training: a change redoes them and trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from anodiff.settings.base import Named, Settings

Hurst = Annotated[float, Field(gt=0, lt=1)]

#: The named settings of the simplified model: what departs from the defaults, which are the first's.
MODELS: dict[str, dict[str, Any]] = {
    "chen2021": {},
    "ly2025": {"learning_rate": 0.2, "noise": 0.0, "interpolation": 3},
    "levy": {"noise_index": 1.5},
}

#: What the settings measured beside one share with it: the surfaces, and how many walkers go how far.
SHARED = ("hurst", "multifractional", "points", "deviation", "walkers", "steps", "boundary", "seed")
ModelName = Literal["chen2021", "ly2025", "levy"]


class AnalysisSettings(Settings):
    """How the path is analysed; a change redoes the analysis and trains nothing."""

    lags_per_decade: Annotated[int, Field(ge=4, le=1000)] = 20
    """Lags at which the curves are kept: so many per decade, evenly in log τ."""
    largest_lag: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Largest lag, as a fraction of the window."""
    slope_width: Annotated[float, Field(gt=0, le=2)] = 0.25
    """Width in decades of the stretch of lags over which a local exponent is fitted."""
    long_lags: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=2)]] = (200, 900)
    """Lags, in optimiser steps, over which the table's long-lag exponent is fitted."""
    null_draws: Annotated[int, Field(ge=2, le=1000)] = 20
    """How often each null (shuffled updates, random signs) is drawn for a window."""

    @model_validator(mode="after")
    def _ordered(self) -> AnalysisSettings:
        if self.long_lags[0] >= self.long_lags[1]:
            raise ValueError(f"long_lags: {list(self.long_lags)} must rise, as [200, 900] does")
        return self


class SimplifiedModelSettings(Named):
    """Walkers that descend generated surfaces: fractional ones of several Hurst exponents, and those to compare them with."""

    name: ModelName = "chen2021"
    """chen2021: weak Gaussian noise, as published (learning rate 0.02, noise 0.01, 1000 steps, [-1, 1]²); ly2025: deterministic
    descent with steps too large for the surface's curvature (learning rate 0.2, no noise, bicubic); levy: chen2021 with noise
    of heavy tails (α = 1.5). Other keys override it."""
    beside: list[ModelName] = ["ly2025", "levy"]
    """Named settings whose walkers are put on the same surfaces, with what these settings say of surfaces and of the number of
    walkers and steps."""
    beside_surfaces: Annotated[int, Field(ge=2, le=1000)] = 3
    """Surfaces of each kind for these, the first of ``surfaces``."""
    enabled: bool = True
    """false leaves the simplified model out."""
    hurst: Annotated[list[Hurst], Field(min_length=1)] = [0.3, 0.5, 0.7, 0.9]
    """Hurst exponents of the fractional surfaces. The shuffled one is made from the last."""
    multifractional: tuple[Hurst, Hurst] = (0.3, 0.9)
    """Lowest and highest Hurst exponent of the multifractional surface."""
    points: Annotated[int, Field(ge=9, le=4097)] = 129
    """Points of a surface a side, a power of 2 plus 1."""
    deviation: Annotated[float, Field(gt=0)] = 0.1
    """Standard deviation of a surface's heights. It decides, with the learning rate, how far a step goes: not published."""
    surfaces: Annotated[int, Field(ge=2, le=1000)] = 8
    """Surfaces of each kind, each with walkers of its own; intervals are over them."""
    walkers: Annotated[int, Field(ge=2)] = 300
    """Walkers on each surface, which start uniformly."""
    steps: Annotated[int, Field(ge=100)] = 1000
    """Steps of a walker."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    """η, in half sides of the square."""
    noise: Annotated[float, Field(ge=0)] = 0.01
    """σ, likewise."""
    noise_index: Annotated[float, Field(gt=0, le=2)] = 2.0
    """α of Lévy-stable noise; 2 is Gaussian."""
    boundary: Literal["reflecting", "rejecting"] = "reflecting"
    """At the edge of the square walkers come back as from a mirror, or stay where they are for this step."""
    interpolation: Literal[1, 3] = 1
    """Order of interpolation between the surface's points: 1 bilinear, 3 bicubic."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of surfaces and walkers."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        """Lay what is given over the named settings."""
        value = {"name": value} if isinstance(value, str) else value
        return {**MODELS.get(str(value.get("name")), {}), **value} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _fits(self) -> SimplifiedModelSettings:
        if (self.points - 1) & (self.points - 2):
            raise ValueError(f"points: {self.points} must be a power of 2 plus 1, such as 129")
        return self

    def each(self) -> dict[str, SimplifiedModelSettings]:
        """Return these settings and those measured beside them, by name."""
        shared = {key: getattr(self, key) for key in SHARED} | {"surfaces": min(self.surfaces, self.beside_surfaces)}
        found: dict[str, SimplifiedModelSettings] = {self.name: self}
        for name in self.beside:
            found.setdefault(name, SimplifiedModelSettings(name=name, beside=[], **shared))
        return found


Fraction = Annotated[float, Field(ge=0, le=1)]
Plane = Literal["path_first", "path_last", "random", "hessian", "gradient"]


class LandscapeSettings(Settings):
    """The loss landscape along the runs that keep full weights: whose, over which samples, and slices through it."""

    seeds: Literal["first", "all", "none"] = "first"
    """Of each configuration, the runs whose landscape is looked at: the one of the first seed, all, or none."""
    samples: Annotated[int | None, Field(ge=1)] = 512
    """Training samples that the loss is the mean over, drawn by ``seed``; null: all."""
    batch_norm: Literal["centre", "per_point"] = "centre"
    """Statistics of batch normalisation: estimated where a slice has its centre and held, or anew at every point."""
    planes: Annotated[list[Plane], Field(min_length=1)] = ["path_first", "path_last", "random", "hessian"]
    """Planes that are cut: path_first and path_last, of the first and the last window's path; at the end of the last window
    random, two filter-normalised directions, hessian, the two eigenvectors of largest curvature, and gradient, the steepest
    descent and the direction of largest curvature across it."""
    points: Annotated[int, Field(ge=3, le=1001)] = 21
    """Points of a slice a side."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of samples and random directions."""

    @model_validator(mode="after")
    def _each_once(self) -> LandscapeSettings:
        if len(set(self.planes)) < len(self.planes):
            raise ValueError(f"planes: {self.planes} names one twice; name each once")
        return self


class RoughnessSettings(Settings):
    """Structure functions of the loss around points of the path."""

    at: Annotated[list[Fraction], Field(min_length=1)] = [0.0, 0.05, 0.3, 1.0]
    """Where on the run, as fractions of its steps."""
    directions: Annotated[int, Field(ge=3, le=1000)] = 8
    """Directions of each kind: random ones, and those that the path takes."""
    decades: Annotated[float, Field(gt=0, le=12)] = 4.0
    """Decades of distance below the path's displacement over the window."""
    radii_per_decade: Annotated[int, Field(ge=1, le=100)] = 4
    """Distances in each."""


class CurvatureSettings(Settings):
    """Hessian and Gauss-Newton matrix at points of the path."""

    at: Annotated[list[Fraction], Field(min_length=1)] = [0.0, 0.1, 1.0]
    """Where on the run, as fractions of its steps."""
    eigenvalues: Annotated[int, Field(ge=1, le=1000)] = 5
    """Largest eigenvalues; the path's motion is split at as many eigenvectors of the Hessian."""
    gauss_newton: bool = True
    """Eigenvalues of the Gauss-Newton matrix too."""
    probes: Annotated[int, Field(ge=0, le=1000)] = 1
    """Random vectors of the spectral density; 0: no density."""
    lanczos_steps: Annotated[int, Field(ge=2, le=10_000)] = 32
    """Steps of Lanczos's method for each."""
    trace_products: Annotated[int, Field(ge=0, le=100_000)] = 12
    """Hessian products spent on the trace; 0: no trace."""
