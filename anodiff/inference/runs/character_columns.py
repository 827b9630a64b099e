"""What does characters.csv hold? Its columns, each with its meaning."""

from __future__ import annotations

from anodiff.diffusion.columns import WINDOW_COLUMNS
from anodiff.diffusion.nulls import NULLS
from anodiff.inference.cells import KINDS
from anodiff.storage.columns import COUNT, TEXT, Column

#: Nulls of the principal coordinates.
COMPARED = ("shuffled", "sign_randomised")

#: Columns of characters.csv.
CHARACTER_COLUMNS = {
    **WINDOW_COLUMNS,
    "coordinate": Column(
        "what was read: random, coordinates along random directions; random_pair, pairs of them, as tracks in two dimensions; "
        "principal_1, principal_2 …, coordinates along principal components; principal_pair, the first two",
        TEXT,
    ),
    "tracks": Column("number of tracks", COUNT),
    "points": Column("points of each, at most 1,000; the window's last points are left out", COUNT),
    "every": Column("recorded updates between two of these points", COUNT),
    "exponent": Column("median over the tracks of α, of which each is the median of its own distribution"),
    "exponent_low": Column("median over the tracks of the lower end of the 90 % interval of α"),
    "exponent_high": Column("median over the tracks of the upper end of the 90 % interval of α"),
    "exponent_quartile_1": Column("lower quartile of α over the tracks; empty for a single track"),
    "exponent_quartile_3": Column("upper quartile of α over the tracks; empty for a single track"),
    "kind": Column("kind of motion with the largest mean probability", TEXT),
    **{kind: Column(f"probability of {kind}, mean over the tracks") for kind in KINDS},
    "familiarity": Column("median over the tracks of the familiarity, see docs/method.md; small for none of the five kinds"),
    "unfamiliar": Column("share of the tracks that are so unfamiliar that they count as none of the five kinds"),
    "nulls": Column("draws of each null; empty for random coordinates, which need none", COUNT),
    **{f"exponent_{null}": Column(f"median of α over draws of the null: {NULLS[null]}") for null in COMPARED},
    **{
        f"exponent_p_{null}": Column(
            f"share of draws whose α is at least the window's, the window counted as a draw; small: α is above the null, "
            f"1: below all draws; the null: {NULLS[null]}"
        )
        for null in COMPARED
    },
    "flags": Column("why there is no answer, what it leaves out, or that most tracks are none of the five kinds", TEXT),
}
