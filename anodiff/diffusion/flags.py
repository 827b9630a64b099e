"""What should a reader of a window's exponents know first? Warnings in a word or two, from the row itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Fewer independent samples than this leave an exponent open.
FEW_SAMPLES = 10

#: Standard deviation of the step lengths, over their mean, from which the window is not one motion.
UNSTEADY = 1.0

#: The flags: meaning.
FLAGS = {
    "few samples": f"fewer than {FEW_SAMPLES} independent samples at the fit's largest lag",
    "largest at the last lag": "the local exponent still rises where the lags end, so that beta_max may be larger beyond",
    "outside its interval": "beta_max lies outside its own interval, which is free of the bias of a maximum: read the interval",
    "unsteady steps": f"step lengths vary by {UNSTEADY:g} or more of their mean: the motion changes within the window",
    "one regime": "a single power law was enough: exponent_second repeats exponent_first",
}


def flags(row: Mapping[str, Any], last_lag: float) -> str:
    """Return the `FLAGS` that hold for a row of exponents.csv, with ``; `` between them; ``last_lag`` in optimiser steps."""
    raised = {
        "few samples": row.get("fit_samples", FEW_SAMPLES) < FEW_SAMPLES,
        "largest at the last lag": row["beta_max_lag"] == last_lag,
        "outside its interval": row["beta_max"] < row["beta_max_low"] or row["beta_max"] > row["beta_max_high"],
        "unsteady steps": row["step_length_variation"] >= UNSTEADY,
        "one regime": row["regimes"] == 1,
    }
    return "; ".join(name for name in FLAGS if raised[name])
