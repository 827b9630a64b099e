"""Which paths have a known mean squared displacement? Random processes, to test an analysis with.

Each process is a function from ``steps``, ``dimensions`` and ``seed`` to the points of one path,
shape (steps+1, dimensions). One call gives one walker. D is the diffusivity, d the number of
dimensions; times and lags are in steps. Public: the processes, their exact MSDs (``…_msd``), and
`PROCESSES`, the reference processes with fixed parameters and known laws.
"""

from anodiff.simulation.processes.bent import (
    anisotropic_fractional_brownian,
    anisotropic_fractional_brownian_msd,
    slowing_brownian,
    slowing_brownian_msd,
    student_walk,
    student_walk_msd,
    trapped_brownian,
    trapped_brownian_msd,
)
from anodiff.simulation.processes.gaussian import (
    brownian,
    brownian_msd,
    fractional_brownian,
    fractional_brownian_msd,
    scaled_brownian,
    scaled_brownian_msd,
)
from anodiff.simulation.processes.registry import PROCESSES, Process, time_average_from_ensemble
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
    "anisotropic_fractional_brownian",
    "anisotropic_fractional_brownian_msd",
    "annealed_transient_time",
    "brownian",
    "brownian_msd",
    "continuous_time_random_walk",
    "continuous_time_random_walk_msd",
    "fractional_brownian",
    "fractional_brownian_msd",
    "levy_walk",
    "levy_walk_msd",
    "ornstein_uhlenbeck",
    "ornstein_uhlenbeck_msd",
    "quadratic_bowl",
    "quadratic_bowl_msd",
    "scaled_brownian",
    "scaled_brownian_msd",
    "slowing_brownian",
    "slowing_brownian_msd",
    "student_walk",
    "student_walk_msd",
    "time_average_from_ensemble",
    "trapped_brownian",
    "trapped_brownian_msd",
]
