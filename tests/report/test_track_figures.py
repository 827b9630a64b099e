"""The figures of tracks show each track once, and mark those unlike the five kinds."""

import numpy as np
import pandas as pd
import pytest

from anodiff.inference.cells import KINDS
from anodiff.report.figures.tracks.catalogue import TRACK_FIGURES
from anodiff.report.figures.tracks.characters import EXPONENT_BINS, MOST_INTERVALS, UNLIKE
from anodiff.report.figures.tracks.data import TrackCharacters
from anodiff.report.figures.tracks.examples import CERTAIN, TYPICAL, chosen_examples


def invented(number=60, dimensions=2, kinds=KINDS):
    """Tracks, every tenth of which has no answer, and every seventh is unlike the five kinds."""
    rng = np.random.default_rng(0)
    rows, positions = [], []
    for track in range(number):
        kind = kinds[track % len(kinds)]
        likely = rng.uniform(0.3, 1)
        probabilities = {each: likely if each == kind else (1 - likely) / 4 for each in KINDS}
        answer = {
            "exponent": rng.uniform(0.2, 1.9),
            "exponent_low": 0.1,
            "exponent_high": 1.95,
            "kind": kind,
            "familiarity": 0.001 if track % 7 == 0 else 0.5,
            **probabilities,
        }
        points = int(rng.integers(10, 40))
        rows.append(
            {"track": track, "part": 1, "first_frame": 3, "points": points, "flags": ""} | (answer if track % 10 else {})
        )
        positions.append(rng.normal(size=(points, dimensions)).cumsum(axis=0))
    return TrackCharacters(pd.DataFrame(rows), positions, ("x", "y", "z")[:dimensions], "µm")


def drawn(kind, found):
    return TRACK_FIGURES[kind].function()(found)


def test_each_answered_track_is_in_one_bin_and_hatched_if_it_is_unlike_the_five_kinds():
    found = invented()
    panel = drawn("exponents", found).get_axes()[0]
    bars = [bar for container in panel.containers for bar in container]
    assert sum(bar.get_height() for bar in bars) == len(found.answered) == 54
    assert sum(bar.get_height() for bar in bars if bar.get_hatch() == UNLIKE) == found.unlike.sum() == 8
    heights = np.bincount(np.digitize(found.answered["exponent"], EXPONENT_BINS) - 1, minlength=len(EXPONENT_BINS) - 1)
    tops = {}
    for bar in bars:
        tops[round(bar.get_x(), 6)] = max(tops.get(round(bar.get_x(), 6), 0), bar.get_y() + bar.get_height())
    assert list(tops.values()) == heights.tolist()


def test_intervals_of_many_tracks_are_drawn_for_some():
    panel = drawn("exponents", invented(number=2 * MOST_INTERVALS)).get_axes()[1]
    assert sum(len(container.lines[0].get_xdata()) for container in panel.containers) == MOST_INTERVALS
    lengths = [int(label.get_text()) for label in panel.get_xticklabels()]
    assert lengths == sorted(lengths)


def test_the_shares_of_the_kinds_sum_to_one():
    panel = drawn("kinds", invented()).get_axes()[0]
    assert sum(bar.get_width() for bar in panel.patches) == pytest.approx(1)
    assert sum(panel.lines[0].get_xdata()) == pytest.approx(1)


def test_examples_are_the_most_certain_and_typical_tracks_of_a_kind():
    found = invented()
    own = found.answered[(found.answered["kind"] == "fbm") & ~found.unlike]
    chosen = chosen_examples(found, "fbm")
    assert chosen[:CERTAIN] == own["fbm"].sort_values(ascending=False).index[:CERTAIN].tolist()
    assert len(set(chosen)) == CERTAIN + TYPICAL
    assert set(chosen) <= set(own.index)
    distance = (own["fbm"].drop(chosen[:CERTAIN]) - own["fbm"].median()).abs()
    assert set(chosen[CERTAIN:]) == set(distance.nsmallest(TYPICAL).index)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_an_example_has_equal_axes_with_units(dimensions):
    figure = drawn("examples", invented(number=9, dimensions=dimensions, kinds=("fbm", "lw")))
    panels = [panel for panel in figure.get_axes() if panel.axison]
    for panel in panels:
        assert panel.get_ylabel() == ("x (µm)" if dimensions == 1 else "y (µm)")
        assert panel.get_xlabel() == ("steps since the first point" if dimensions == 1 else "x (µm)")
        assert panel.get_aspect() == ("auto" if dimensions == 1 else 1)
        assert "α = " in panel.get_title(loc="left")
