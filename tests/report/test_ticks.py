import numpy as np
import pytest
from matplotlib.figure import Figure

from anodiff.report.figures.ticks import log_scale


def labels(low, high, size=4.0):
    """The labels of the major and minor ticks that a logarithmic axis between two numbers shows."""
    figure = Figure(figsize=(size, size))
    panel = figure.subplots()
    log_scale(panel, "x")
    panel.set_xlim(low, high)
    shown = {}
    for minor in (False, True):
        ticks = panel.get_xticks(minor=minor)
        texts = [label.get_text() for label in panel.get_xticklabels(minor=minor)]
        shown |= {float(f"{tick:.6g}"): text for tick, text in zip(ticks, texts, strict=True) if low <= tick <= high}
    return shown


def test_a_long_axis_has_powers_of_ten_and_unlabelled_ticks_at_2_and_5():
    shown = labels(1, 1000)
    assert {tick: text for tick, text in shown.items() if text} == {1: "10⁰", 10: "10¹", 100: "10²", 1000: "10³"}
    assert sorted(shown) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def test_an_axis_shorter_than_two_decades_has_numbers_also_at_2_and_5():
    assert [text for _, text in sorted(labels(0.05, 3).items())] == ["0.05", "0.1", "0.2", "0.5", "1", "2"]
    assert [text for _, text in sorted(labels(9e-6, 6e-4).items()) if text] == ["10⁻⁵", "10⁻⁴"]  # long numbers below a decade
    alone = [text for _, text in sorted(labels(2e-5, 6e-4).items())]  # or beside a single power of ten
    assert alone == ["2×10⁻⁵", "5×10⁻⁵", "10⁻⁴", "2×10⁻⁴", "5×10⁻⁴"]


def test_an_axis_shorter_than_a_decade_has_all_ticks_and_one_within_a_third_has_all_labels():
    shown = labels(2, 9.5)
    assert sorted(shown) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert {tick for tick, text in shown.items() if text} == {2, 5}
    assert all(labels(4, 8).values())
    assert {"2×10⁻⁵", "3×10⁻⁵"} == set(labels(1.9e-5, 3.1e-5).values())


@pytest.mark.parametrize("low", np.geomspace(1e-12, 1e6, 7))
@pytest.mark.parametrize("decades", [0.05, 0.4, 1.3, 2.5, 7, 14])
def test_every_axis_has_two_labels_or_more_none_of_them_twice_and_none_a_formula(low, decades):
    texts = [text for text in labels(low, low * 10**decades).values() if text]
    assert len(texts) >= 2
    assert len(set(texts)) == len(texts)
    assert not any("$" in text for text in texts)
