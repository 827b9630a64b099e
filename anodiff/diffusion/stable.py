"""How heavy are the tails of the updates? Lévy-stable laws, fitted in a fraction of a second.

Quantiles give the median and a rough scale (McCulloch 1986, Commun. Stat. Simul. Comput. 15, 1109),
which standardise the values. Two least-squares lines through the empirical characteristic function
φ at u = 0.1, 0.2 … 1 then give the law (Kogon & Williams 1998, in A Practical Guide to Heavy Tails;
Koutrouvelis 1980, JASA 75, 918):

    ln(−ln|φ|) = α ln u + α ln γ,        arg φ = δ₀ u + β tan(πα/2) ((γu)^α − γu).

`anodiff.diffusion.stable_law` defines the parameters.

The pitfall: every sample gets an α. The fit sees the middle of the law, not its far tail. α < 2
means "not Gaussian"; it is a tail exponent only if the values are stable. A Gaussian whose scale
varies within the window is not stable, and has α < 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from anodiff.diffusion.intervals import DRAWS, LOWER, UNKNOWN, UPPER, Interval
from anodiff.diffusion.stable_law import NO_LAW, ComplexArray, StableLaw, centre_offset
from anodiff.errors import ConfigError
from anodiff.storage.numbers import real_numbers
from anodiff.storage.types import FloatArray, Seed

#: Frequencies u of the characteristic function of standardised values: multiples of the first.
FREQUENCIES = np.arange(1, 11) / 10

#: The least-squares slope against ln u is this vector times the values at `FREQUENCIES`.
LOG_SLOPE = np.linalg.pinv(np.stack([np.log(FREQUENCIES), np.ones(len(FREQUENCIES))], axis=1))[0]

#: The smallest number of values that is fitted, and of steps that get an interval; bounds on the
#: number of blocks (the upper one is approximate).
MIN_VALUES, MIN_STEPS, MIN_BLOCKS, MAX_BLOCKS = 30, 20, 10, 1000

#: An α at this bound means that no stable law resembles the values.
SMALLEST_ALPHA = 0.1

#: Number of values whose sines are taken at once, so that they stay in the cache.
CHUNK = 16384

#: McCulloch's ratios of quantiles of stable laws, by α (rows) and by β = 0, ½, 1:
#: ν_α = (q95 − q05) / (q75 − q25), ν_β = (q95 + q05 − 2 q50) / (q95 − q05) and
#: ν_γ = (q75 − q25) / γ. They are computed with scipy.stats.levy_stable.ppf, not copied.
ALPHAS, BETAS = np.array([0.5, 0.6, 0.8, 1, 1.25, 1.5, 1.75, 2]), np.array([0, 0.5, 1])
QUANTILE_RATIOS = np.array(
    [
        [[44.6351, 33.1950, 27.9379], [0, 0.8381, 0.9847], [2.5677, 4.5076, 9.0935]],
        [[23.6122, 18.4071, 15.6428], [0, 0.7677, 0.9620], [2.3242, 3.5278, 6.2229]],
        [[10.4791, 8.8019, 7.7046], [0, 0.6343, 0.8805], [2.0911, 2.6699, 3.9035]],
        [[6.3138, 5.6352, 5.1358], [0, 0.5134, 0.7617], [2.0000, 2.3078, 2.9686]],
        [[4.1475, 3.9338, 3.7736], [0, 0.3708, 0.5838], [1.9575, 2.0919, 2.4041]],
        [[3.1498, 3.1146, 3.0913], [0, 0.2282, 0.3895], [1.9379, 1.9867, 2.1143]],
        [[2.6699, 2.6721, 2.6800], [0, 0.0990, 0.1878], [1.9225, 1.9332, 1.9641]],
        [[2.4387, 2.4387, 2.4387], [0, 0, 0], [1.9077, 1.9077, 1.9077]],
    ]
)


@dataclass(frozen=True)
class StableFit:
    """A stable law, its parameters' 95 % intervals, and the steps in a bootstrap block (or 0)."""

    law: StableLaw
    alpha: Interval
    beta: Interval
    scale: Interval
    location: Interval
    centre: Interval
    block: int


def fit_stable(values: ArrayLike) -> StableLaw:
    """Fit a stable law to values of shape (n,), in any unit.

    Fewer than `MIN_VALUES` values, or values whose quartiles coincide, give `NO_LAW`.

    Raises
    ------
    ConfigError
        If values are not of shape (n,), or some are NaN or infinite: only the caller knows whether
        to leave these out.

    Examples
    --------
    >>> law = fit_stable(np.random.default_rng(0).standard_cauchy(10_000))
    >>> round(law.alpha, 1), round(law.scale, 1)
    (1.0, 1.0)
    """
    checked = real_numbers(values, "values", "(n,)")
    start = quantile_start(checked)
    if start is None:
        return NO_LAW
    return StableLaw(*parameters_of(_characteristic(checked[None], *start)[0], *start)[:4].tolist())


def fit_stable_with_intervals(values: ArrayLike, *, draws: int = DRAWS, seed: Seed) -> StableFit:
    """Fit one stable law to the values of all steps, which may depend on each other.

    The values of a step share its scale, and neighbouring steps are alike: at best, blocks of steps
    are independent. Intervals are percentiles of a circular block bootstrap (Politis & Romano
    1992); `_block_length` gives the length of the blocks. It misses correlations as long as the
    window, and steps so large and rare that the window holds none. So near alpha = 2, with a scale
    shared by all values of a step, the interval of alpha is too narrow.

    Parameters
    ----------
    values
        m values at each of T consecutive steps, shape (T, m), in any unit.
    draws
        Number of bootstrap samples.
    seed
        Seed of the bootstrap.

    Returns
    -------
    StableFit
        Ends are NaN for fewer than `MIN_STEPS` steps. If the interval of alpha reaches 2, that of
        beta is [−1, 1]. If it holds 1, that of the location is almost unbounded, but that of the
        centre is not.

    Raises
    ------
    ConfigError
        If values are not of shape (T, m), some are NaN or infinite, or no draws are asked for.

    Examples
    --------
    >>> fit = fit_stable_with_intervals(np.random.default_rng(0).normal(size=(200, 50)), seed=0)
    >>> fit.alpha.low > 1.9, fit.alpha.high
    (True, 2.0)
    """
    checked = real_numbers(values, "values", "(T, m)")
    if draws < 1:
        raise ConfigError(f"draws: expected at least 1, got {draws}")
    start = quantile_start(checked)
    if start is None:
        return StableFit(NO_LAW, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0)
    by_step = _characteristic(checked, *start)  # (T, K)
    mean = by_step.mean(axis=0)
    fitted = parameters_of(mean, *start).tolist()
    law = StableLaw(*fitted[:4])
    if len(checked) < MIN_STEPS:
        alpha, beta, scale, location, centre = (Interval(value, math.nan, math.nan) for value in fitted)
        return StableFit(law, alpha, beta, scale, location, centre, 0)
    block = _block_length(by_step, mean)
    drawn = parameters_of(_bootstrap(by_step, mean, block, draws, np.random.default_rng(seed)), *start)
    lows, highs = np.quantile(drawn, [LOWER, UPPER], axis=1)
    # 2 − α grows with the number of large values, and the scatter of its square root does not
    # depend on that number. So percentiles about an α that is too large are too narrow. Mirroring
    # the high end on the scale of √(2 − α) gives the low one.
    lows[0] = min(lows[0], 2 - (2 * math.sqrt(2 - law.alpha) - math.sqrt(2 - highs[0])) ** 2)
    if highs[0] == 2:
        lows[1], highs[1] = -1, 1  # a Gaussian has no beta
    alpha, beta, scale, location, centre = (Interval(*map(float, ends)) for ends in zip(fitted, lows, highs, strict=True))
    return StableFit(law, alpha, beta, scale, location, centre, block)


def parameters_of(characteristic: ComplexArray, centre: float = 0.0, scale: float = 1.0) -> FloatArray:
    """Return alpha, beta, scale, location, centre, (5, ...), of characteristic functions, (..., K).

    ``centre`` and ``scale`` are those that the values were standardised with.
    """
    modulus = np.clip(np.abs(characteristic), 1e-12, 1 - 1e-12)  # only values on a lattice come this close to 0 or 1
    decay = np.log(-np.log(modulus))
    alpha = np.clip(decay @ LOG_SLOPE, SMALLEST_ALPHA, 2)
    gamma = np.exp(decay.mean(axis=-1) / alpha - np.log(FREQUENCIES).mean())
    phase = np.angle(characteristic)
    off_one = np.where(np.abs(alpha - 1) < 1e-8, 1e-8, alpha - 1)[..., None]  # at α = 1 skew has the limit −(2/π) w ln w
    w = gamma[..., None] * FREQUENCIES
    skew = -w * np.expm1(off_one * np.log(w)) / np.tan(math.pi / 2 * off_one)  # tan(πα/2) (w^α − w)
    uu, us, ss = (FREQUENCIES**2).sum(), skew @ FREQUENCIES, (skew**2).sum(axis=-1)
    up, sp = phase @ FREQUENCIES, (skew * phase).sum(axis=-1)
    determinant = uu * ss - us**2
    beta = np.divide(uu * sp - us * up, determinant, out=np.zeros_like(alpha), where=(alpha < 2) & (determinant > 0))
    beta = np.clip(beta, -1, 1)
    scales, centres = scale * gamma, centre + scale * (up - beta * us) / uu
    return np.array([alpha, beta, scales, centres - beta * centre_offset(alpha, scales), centres])


def quantile_start(values: FloatArray) -> tuple[float, float] | None:
    """Return the median and McCulloch's scale, or None for too few values or equal quartiles."""
    if values.size < MIN_VALUES:
        return None
    q05, q25, median, q75, q95 = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    if not q75 > q25:
        return None
    tails, skew = (q95 - q05) / (q75 - q25), (q95 + q05 - 2 * median) / (q95 - q05)
    beta = 0.0
    for _ in range(4):  # each ratio depends only weakly on the parameter of the other
        ratios = np.array([[np.interp(beta, BETAS, row) for row in rows] for rows in QUANTILE_RATIOS]).T  # (3, alphas)
        alpha = np.interp(-tails, -ratios[0], ALPHAS)
        beta = float(np.interp(abs(skew), [np.interp(alpha, ALPHAS, column) for column in QUANTILE_RATIOS[:, 1].T], BETAS))
    return float(median), float((q75 - q25) / np.interp(alpha, ALPHAS, ratios[2]))


def _characteristic(values: FloatArray, centre: float, scale: float) -> ComplexArray:
    """Return the mean of exp(iuz) over the standardised values z of each step, (T, m) to (T, K)."""
    steps, number = values.shape
    means = np.empty((steps, len(FREQUENCIES)), complex)
    rows = max(1, CHUNK // number)
    for first in range(0, steps, rows):
        angle = FREQUENCIES[0] / scale * (values[first : first + rows] - centre)
        base = np.empty(angle.shape, complex)
        np.cos(angle, out=base.real)
        np.sin(angle, out=base.imag)
        power = base.copy()
        for k in range(len(FREQUENCIES)):  # powers of the first frequency are cheaper than sines of the others
            means[first : first + rows, k] = power.mean(axis=1)
            power *= base
    return means


def _block_length(by_step: ComplexArray, mean: ComplexArray) -> int:
    """Return the steps in a block: what α, scale and centre need, T^(1/3) … T / MIN_BLOCKS.

    Let R(k) be the autocovariance of what each step contributes to a parameter. The best block of a
    circular bootstrap has (3/2 T (Σ|k| R(k) / Σ R(k))²)^(1/3) steps (Politis & White 2004, Econom.
    Rev. 23, 53). The sums end at 5 correlation times, as in Sokal's method, because later terms
    only add noise.
    """
    steps = len(by_step)
    relative = by_step / mean
    decay = relative.real / np.log(np.abs(mean))
    contributions = np.stack([decay @ LOG_SLOPE, decay.mean(axis=1), relative.imag @ FREQUENCIES], axis=1)  # to first order
    spectrum = np.abs(np.fft.rfft(contributions - contributions.mean(axis=0), 2 * steps, axis=0)) ** 2
    lags = np.arange(steps // 2)
    longest = max(steps ** (1 / 3), steps / MAX_BLOCKS)
    for covariance in np.fft.irfft(spectrum, axis=0)[: len(lags)].T:
        correlation = covariance / max(covariance[0], np.finfo(float).tiny)
        times = np.maximum(2 * np.cumsum(correlation) - 1, 1 / steps)
        end = int(np.argmax((lags >= 5 * times) | (lags == lags[-1])))
        ratio = 2 * (lags * correlation)[: end + 1].sum() / times[end]
        longest = max(longest, (1.5 * steps * ratio**2) ** (1 / 3))
    return min(math.ceil(longest), steps // MIN_BLOCKS)


def _bootstrap(by_step: ComplexArray, mean: ComplexArray, block: int, draws: int, random: np.random.Generator) -> ComplexArray:
    """Return characteristic functions of samples of blocks of consecutive steps, (draws, K)."""
    steps = len(by_step)
    sums = np.cumsum(np.concatenate([np.zeros_like(by_step[:1]), by_step, by_step[: block - 1]]), axis=0)
    blocks = (sums[block:] - sums[:-block]) / block  # (T, K); the last ones continue at the first step
    starts = random.integers(steps, size=(draws, math.ceil(steps / block)))
    drawn = np.stack([blocks[row].mean(axis=0) for row in starts])
    # A few blocks underestimate their scatter: one of them is lost to the mean, which is
    # distributed as Student's t.
    stretch = math.sqrt(steps / (steps - block)) * scipy.special.stdtrit(steps / block - 1, UPPER) / scipy.special.ndtri(UPPER)
    return mean + stretch * (drawn - mean)
