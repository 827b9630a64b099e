"""What is claimed, and by whom?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """Claims of one source: the heading of their part of the page, and the source in words that follow "the claims of"."""

    title: str
    source: str


#: The sources, in the order of the page.
STUDY = Section("Diffusion", "Chen, Qu and Gong (2022)")
DYNAMICS = Section("Learning dynamics", "Tachet des Combes, Pezeshki, Shabanian, Courville and Bengio (arXiv 1809.06848)")
SECTIONS = (STUDY, DYNAMICS)


@dataclass(frozen=True)
class Claim:
    """A claim: whose it is, a short title, and the whole statement."""

    section: Section
    title: str
    statement: str


#: The claims by number.
CLAIMS = {
    1: Claim(
        STUDY,
        "Superdiffusive early, subdiffusive late",
        "Early in training SGD is superdiffusive: Δr²(τ) ~ τ^α with α > 1. The exponent falls with the waiting time t_w, and "
        "late in training, at long lags, the motion is subdiffusive, α < 1.",
    ),
    2: Claim(
        STUDY,
        "The same for other networks, batch sizes and learning rates",
        "This holds for ResNets with and without shortcuts, VGG-like and other networks, over batch sizes and learning rates.",
    ),
    3: Claim(
        STUDY,
        "Big jumps and heavy-tailed gradients",
        "The motion has intermittent big jumps; gradients are heavy-tailed.",
    ),
    4: Claim(
        STUDY,
        "A rough landscape, and superdiffusion with it",
        "The loss landscape along the path is rough at all scales (fractal-like), and the roughness goes with the "
        "superdiffusion.",
    ),
    5: Claim(
        STUDY,
        "The same motion on a fractal surface",
        "A walker that descends a two-dimensional fractal surface with weak noise moves in the same way. On a convex or a "
        "shuffled surface it does not.",
    ),
    6: Claim(
        DYNAMICS,
        "Sigmoidal learning curves",
        "A part of the data, here a singular mode of the correlation between inputs and classes, is learned along a sigmoid: "
        "hardly at first, then fast, then levelling off. An exponential is fast at once.",
    ),
    7: Claim(
        DYNAMICS,
        "Strong modes first",
        "The stronger a mode, the sooner it is learned.",
    ),
    8: Claim(
        DYNAMICS,
        "Learning time as 1/frequency",
        "The time to learn a class falls as its frequency p in the training set rises, as 1/p.",
    ),
    9: Claim(
        DYNAMICS,
        "Gradient starvation",
        "A feature that is frequent and easy starves the others: the more samples have a cue, the worse and the later is what "
        "is learned without it. A penalty on the outputs, spectral decoupling, lessens it.",
    ),
}
