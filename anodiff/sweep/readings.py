"""What does the verdict on a part of a claim mean? In plain words: what it rules out, and what else is possible."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """What a part of a claim rules out if it supports the claim, and what could give the same number all the same."""

    rules_out: str
    leaves: str


#: Claim 1, and with it claim 2.
SUPERDIFFUSION = Reading("steps without direction", "a drift or a mean that relaxes, which the next two parts look at")
ORDER = Reading(
    "a constant drift and single long steps, which random order keeps",
    "anything for which steps point the same way for a while, such as momentum or relaxation",
)
RESIDUAL = Reading(
    "relaxation: a mean path that decays towards a minimum",
    "a mean that wanders slowly; in one path it cannot be told from superdiffusion at lags above residual_to",
)
FALLING = Reading(
    "a largest exponent that does not depend on the waiting time",
    "a learning rate or noise that falls by schedule; see the flags unsteady steps and ageing",
)
SUBDIFFUSION = Reading("free diffusion", "confinement in a bowl, which the next part looks at")
POWER_LAW = Reading(
    "relaxation in a convex bowl of a few curvatures",
    "a bowl with curvatures over many decades, whose relaxation resembles a power law",
)
STRATUM = Reading("that only the other runs show claim 1", "what these runs share with them, such as data and optimiser")

#: Claim 3.
HEAVY = Reading("Gaussian gradients whose common scale changes in time", "entries whose own scales change in time")
STABLE_SUMS = Reading(
    "finite variances, for which sums of a few steps become Gaussian",
    "a scale that changes slowly, which the first part looks at",
)
POWER_TAIL = Reading("a tail that falls exponentially", "a log-normal or a cut-off tail; tails.csv compares them")
LONG_STEPS = Reading("step lengths with an exponential tail", "a few stages of training with steps of different length")

#: Claim 4.
ROUGH = Reading(
    "a loss that is smooth at the measured distances", "roughness of the subset's loss that more samples average out"
)
GOES_WITH = Reading(
    "chance, and a trend in time that both have in common",
    "a third quantity that differs from run to run, such as the learning rate",
)

#: Claim 5.
NOT_CONVEX = Reading(
    "descent on a convex surface, at distances above a cell of the grid", "overshoot, where the first step crosses a cell"
)
NOT_SHUFFLED = Reading("the heights alone: the same ones without their order", "correlated heights of any kind, fractal or not")
LEVELLING = Reading("free diffusion", "confinement in the square or in a basin, which the next part looks at")
NOT_CONFINED = Reading("confinement alone, as on the convex surface", "slow descent through basins of any shape")

#: Claims 6 to 9.
SIGMOIDAL = Reading(
    "learning that is fastest at once, as of a linear model or of a network that hardly moves",
    "a sigmoid of the output alone: a smooth margin that passes 0 gives one as well",
)
STRONG_FIRST = Reading("an order by chance", "what goes with the strength, such as the size of the inputs along a mode")
RARE_LATER = Reading("learning times that do not depend on frequency", "rare classes that are hard for another reason")
INVERSE = Reading(
    "slopes other than −1 outside the interval: it is no proof of −1 itself", "another power that the interval holds as well"
)
STARVED = Reading("a cue that leaves the rest of learning alone", "fewer samples that are hard enough to teach the shapes")
STARVED_LATER = Reading("the same, at the end of the run only", "slower learning of everything")
LESS_STARVED = Reading("a penalty on the outputs that changes nothing", "a penalty that helps as any regulariser would")
