"""Paths whose mean squared displacement is known beforehand, to test an analysis against.

Each process is a function from ``steps``, ``dimensions`` and ``seed`` to the points of one path, shape
(steps+1, dimensions); one call is one walker in that many dimensions. D is the diffusivity, d the number of dimensions,
times and lags are in steps. `PROCESSES` holds reference processes with their parameters fixed and their laws beside them.
"""

from anodiff.simulation.processes.gaussian import (
    brownian,
    brownian_msd,
    circulant_eigenvalues,
    fractional_brownian,
    fractional_brownian_msd,
    fractional_noise_covariance,
    scaled_brownian,
    scaled_brownian_msd,
)
from anodiff.simulation.processes.registry import PROCESSES, Process, time_average_of
from anodiff.simulation.processes.relaxing import ornstein_uhlenbeck, ornstein_uhlenbeck_msd, quadratic_bowl, quadratic_bowl_msd
from anodiff.simulation.processes.walks import (
    annealed_transient_time,
    continuous_time_random_walk,
    continuous_time_random_walk_msd,
    levy_walk,
    levy_walk_msd,
)

__all__ = [
    "PROCESSES",
    "Process",
    "annealed_transient_time",
    "brownian",
    "brownian_msd",
    "circulant_eigenvalues",
    "continuous_time_random_walk",
    "continuous_time_random_walk_msd",
    "fractional_brownian",
    "fractional_brownian_msd",
    "fractional_noise_covariance",
    "levy_walk",
    "levy_walk_msd",
    "ornstein_uhlenbeck",
    "ornstein_uhlenbeck_msd",
    "quadratic_bowl",
    "quadratic_bowl_msd",
    "scaled_brownian",
    "scaled_brownian_msd",
    "time_average_of",
]
