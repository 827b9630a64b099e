"""What do the rivals of anomalous diffusion say of paths and gradients of known law?

    python benchmarks/explanations.py [--paths 12]

Three tables of docs/method.md: windows without their relaxing mean, relaxation in a bowl against a
power law, and gradients whose common scale changes.
"""

import argparse

import numpy as np
from scipy.stats import levy_stable

from anodiff.diffusion.bowl_fit import bowl_against_power_law
from anodiff.diffusion.columns import BALLISTIC
from anodiff.diffusion.effective_dimension import effective_dimension
from anodiff.diffusion.exponents import local_exponents
from anodiff.diffusion.jumps import describe_tails
from anodiff.diffusion.regimes import fit_regimes
from anodiff.diffusion.relaxing_mean import measure_relaxing_mean
from anodiff.diffusion.stationarity import window_ageing
from anodiff.geometry import path_geometry
from anodiff.geometry.msd import logarithmic_lags
from anodiff.simulation.processes import brownian, fractional_brownian, ornstein_uhlenbeck, quadratic_bowl

STEPS, ENTRIES, WIDTH, LONG = 500, 256, 0.25, (100, 450)
LAGS = logarithmic_lags(STEPS, 20, 0.9)
CURVATURES = np.geomspace(0.005, 1, 100)


def bowl(seed, start, curvatures=CURVATURES):
    return quadratic_bowl(STEPS, len(curvatures), seed, curvatures=curvatures, learning_rate=0.3, noise=0.3, start=start)


EARLY = {
    "Brownian, 300 dimensions": lambda seed: brownian(STEPS, 300, seed),
    "drift and noise": lambda seed: brownian(STEPS, 20, seed, drift=0.5),
    "bowl, far start": lambda seed: bowl(seed, 10.0),
    "bowl, start ten times as far": lambda seed: bowl(seed, 100.0),
    "fractional, H = 0.75, 20 dimensions": lambda seed: fractional_brownian(STEPS, 20, seed, hurst=0.75),
    "fractional, H = 0.6, 20 dimensions": lambda seed: fractional_brownian(STEPS, 20, seed, hurst=0.6),
    "fractional, H = 0.75, in noise with H = 0.25": lambda seed: (
        0.2 * fractional_brownian(STEPS, 100, seed, hurst=0.75) + fractional_brownian(STEPS, 100, 1000 + seed, hurst=0.25)
    ),
    "fractional, H = 0.75, and the bowl": lambda seed: fractional_brownian(STEPS, 100, seed, hurst=0.75) + bowl(seed, 10.0),
}

LATE = {
    "fractional, H = 0.25": lambda seed: fractional_brownian(STEPS, 100, seed, hurst=0.25),
    "fractional, H = 0.35": lambda seed: fractional_brownian(STEPS, 20, seed, hurst=0.35),
    "Brownian": lambda seed: brownian(STEPS, 20, seed),
    "Ornstein-Uhlenbeck, 20 steps": lambda seed: ornstein_uhlenbeck(STEPS, 20, seed, relaxation=20.0),
    "Ornstein-Uhlenbeck, 100 steps": lambda seed: ornstein_uhlenbeck(STEPS, 20, seed, relaxation=100.0),
    "bowl of 100 curvatures": lambda seed: bowl(seed, "stationary"),
    "bowl of 300 curvatures i^-1.25": lambda seed: bowl(seed, "stationary", np.arange(1, 301) ** -1.25),
}


def slow_scale(random):
    """Logarithms of scales that are alike for tens of steps, shape (STEPS, 1)."""
    kicks = random.normal(size=STEPS)
    for step in range(1, STEPS):
        kicks[step] = 0.95 * kicks[step - 1] + np.sqrt(1 - 0.95**2) * kicks[step]
    return 0.6 * kicks[:, None]


def mixture(log_scale):
    return lambda random: np.exp(log_scale(random)) * random.normal(size=(STEPS, ENTRIES))


#: Few dimensions, where chance alone gives β > 2.
STATIONARY = {
    **{f"Brownian, dimensions: {d}": lambda seed, d=d: brownian(200, d, seed) for d in (1, 2, 5)},
    "fractional, H = 0.75, 3 dimensions": lambda seed: fractional_brownian(200, 3, seed, hurst=0.75),
    "fractional, H = 0.9, 5 dimensions": lambda seed: fractional_brownian(200, 5, seed, hurst=0.9),
    "drift and noise, 5 dimensions": lambda seed: brownian(200, 5, seed, drift=0.5),
}

GRADIENTS = {
    "Gaussian, common scale, new at each step": mixture(lambda random: 0.6 * random.normal(size=(STEPS, 1))),
    "Gaussian, common scale, slow": mixture(slow_scale),
    "Gaussian, each entry with a scale of its own": mixture(lambda random: 0.6 * random.normal(size=(STEPS, ENTRIES))),
    "Student, ν = 3": lambda random: random.standard_t(3, (STEPS, ENTRIES)),
    "stable, α = 1.5": lambda random: levy_stable.rvs(1.5, 0, size=(STEPS, ENTRIES), random_state=random),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=12)
    seeds = range(parser.parse_args().paths)
    print("path: β without the mean, its null, share of the mean at long lags, paths with p < ½, with p < 0.05")
    for name, simulate in EARLY.items():
        rows = []
        for seed in seeds:
            path = path_geometry(simulate(seed))
            msd = path.mean_squared_displacement(LAGS)
            rows.append(measure_relaxing_mean(path, LAGS, msd, WIDTH, LONG, 20, np.random.default_rng(seed))[1])
        wanted = ("beta_residual", "beta_residual_null", "trend_share_long")
        means = (np.mean([row[column] for row in rows]) for column in wanted)
        small, tiny = (sum(row["superdiffusion_p_residual"] < below for row in rows) for below in (0.5, 0.05))
        print(f"{name:46s}" + " ".join(f"{mean:6.2f}" for mean in means) + f"   {small} and {tiny} of {len(rows)}")
    print("path: log-likelihood ratio of a power law to relaxation in a bowl: ends and median; intervals below and above 0")
    for name, simulate in LATE.items():
        found = []
        for seed in seeds:
            path = path_geometry(simulate(seed))
            msd = path.mean_squared_displacement(LAGS)
            dimension = effective_dimension(path, LAGS)
            ratio = bowl_against_power_law(LAGS, msd, fit_regimes(LAGS, msd), dimension, STEPS)
            found.append((ratio.value, ratio.low, ratio.high))
        values, low, high = np.transpose(found)
        numbers = " ".join(f"{value:6.1f}" for value in (min(values), np.median(values), max(values)))
        print(f"{name:46s}{numbers}   {(high < 0).sum()} and {(low > 0).sum()} of {len(values)}")
    print("stationary paths of 200 steps: of 100, those with β > 2 at some lag, that age, and that are both")
    lags = logarithmic_lags(200, 20, 0.9)
    for name, simulate in STATIONARY.items():
        steep, ageing = [], []
        for seed in range(100):
            path = path_geometry(simulate(seed))
            every = path.mean_squared_displacement(np.arange(201))
            steep.append(np.nanmax(local_exponents(every, lags, WIDTH)) > BALLISTIC)
            _, ratio = window_ageing(path, fit_regimes(lags, every[lags]), lags, effective_dimension(path, lags))
            ageing.append(ratio.low > 1 or ratio.high < 1)
        print(f"{name:46s}{sum(steep)}, {sum(ageing)}, {sum(np.logical_and(steep, ageing))}")
    print("entries: α standardised, α normalised, way of the sums to a Gaussian: smallest and largest; without a way")
    nothing = np.full(STEPS + 1, np.nan)
    for name, draw in GRADIENTS.items():
        found = []
        for seed in seeds:
            entries = draw(np.random.default_rng(seed))
            rows = {row["quantity"]: row for row in describe_tails(np.ones(STEPS), entries, nothing, nothing, seed=seed)}
            single, scaled = rows["standardised_gradient"], rows["normalised_gradient"]
            found.append((single["stable_alpha"], scaled["stable_alpha"], single.get("way_to_gaussian", np.nan)))
        ends = zip(np.nanmin(found, axis=0), np.nanmax(found, axis=0), strict=True)
        without = np.isnan(found).any(axis=1).sum()  # α is too near 2 for the width of the sums' interval
        print(f"{name:46s}" + " ".join(f"{low:6.2f} {high:5.2f}" for low, high in ends) + f"   {without} of {len(found)}")


if __name__ == "__main__":
    main()
