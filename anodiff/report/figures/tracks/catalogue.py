"""Which figures of somebody's tracks are there, and what does each show?"""

from __future__ import annotations

from anodiff.report.figures.figure_kind import FigureKind

#: The figures that `anodiff characterise` draws.
TRACK_FIGURES = {
    "exponents": FigureKind(
        "Exponents of the tracks",
        "Left: how many tracks have which anomalous exponent α (median of what the network says), coloured "
        "by the most likely kind of motion; hatched: unlike the five kinds, whose α means little. Right: α "
        "of each track with its 90 % interval, in the order of their lengths, and within a length of α; "
        "of more than 300 tracks, 300 evenly spaced in this order. Short tracks have wide intervals, so part of the spread on "
        "the left is the network's uncertainty. Dashed: α = 1, normal diffusion. Parts of a track between "
        "gaps in its frames count as tracks of their own.",
        "tracks.characters.exponents",
    ),
    "kinds": FigureKind(
        "Kinds of motion of the tracks",
        "Left: share of the tracks whose most likely kind of motion is this one (bars; hatched: unlike the "
        "five kinds, whose kind means little), and mean probability of the kind over all tracks "
        "(diamonds). If the two differ, many tracks are undecided. Right: how likely the most likely kind "
        "is, in the colour of the kind; 0.2 would be a guess.",
        "tracks.characters.kinds",
    ),
    "examples": FigureKind(
        "Examples of the tracks",
        "For each kind that is the most likely one of a track, a row of four: the two tracks of which the "
        "network is most certain, and two of typical certainty (nearest to the kind's median). Above each: "
        "α with its 90 % interval, and the probability of the kind. Circle: first point; square: last "
        "point. Both axes have the same scale; of three coordinates the first two are drawn, and a single "
        "one is drawn against time. Tracks unlike the five kinds are not among them, unless there are no "
        "others.",
        "tracks.examples.examples",
    ),
}
