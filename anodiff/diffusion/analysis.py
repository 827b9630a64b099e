"""From a run's geometry to its curves (diffusion.zarr) and its row per window (exponents.csv)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from anodiff.config import AnalysisSettings
from anodiff.diffusion.exponents import fit_regimes, local_exponents, slope
from anodiff.diffusion.msd import ageing_msd, logarithmic_lags, time_averaged_msd
from anodiff.geometry import Geometries, open_geometry
from anodiff.stores import open_store, writing
from anodiff.trajectory.format import EPOCH_SERIES
from anodiff.trajectory.windows import Window

KIND = "anodiff diffusion"
VERSION = 1

#: Curves over lag: meaning.
CURVES = {
    "msd": "time-averaged mean squared displacement",
    "ageing_msd": "squared displacement from the window's first point",
    "beta": "local exponent d ln MSD / d ln lag of the time-averaged MSD",
}

#: Columns of exponents.csv: meaning. docs/format.md and the page show the same.
COLUMNS = {
    "window": "number of the window, from 0",
    "waiting_time": "optimiser step of its first point",
    "length": "its length in optimiser steps",
    "stride": "optimiser steps between its points",
    "beta_max": "largest local exponent β",
    "beta_max_lag": "lag at which it stands, in optimiser steps",
    "beta_long": "exponent over the long lags set in analysis.long_lags",
    "regimes": "number of regimes chosen by the information criterion",
    "exponent_first": "exponent of the first regime",
    "exponent_second": "exponent of the second regime; the first again where there is one",
    "crossover_lag": "lag between them, in optimiser steps",
    "fit_from": "smallest lag of the fit",
    "fit_to": "largest lag of the fit",
    "note": "why a value is missing",
}


def diffusion(
    geometry_path: str | Path,
    output: str | Path,
    table: str | Path,
    settings: AnalysisSettings,
    *,
    overwrite: bool = False,
    report: Callable[[int, int, str], None] = lambda done, total, message: None,
) -> None:
    """Analyse every window of geometry.zarr; write diffusion.zarr and exponents.csv, or neither.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    geometries = open_geometry(geometry_path)
    with writing(output, overwrite=overwrite) as store_path, writing(table, overwrite=overwrite) as table_path:
        curves, rows = analyse(geometries, settings, report)
        rows.to_csv(table_path, index=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata")
            curves.to_zarr(store_path, zarr_format=3, consolidated=True)


def open_diffusion(path: str | Path) -> xr.Dataset:
    """Open a finished diffusion.zarr, labelled and in memory; raises what `anodiff.stores.open_store` raises."""
    return xr.open_zarr(open_store(path, KIND, VERSION).store, chunks=None).load()


def analyse(
    geometries: Geometries,
    settings: AnalysisSettings,
    report: Callable[[int, int, str], None] = lambda done, total, message: None,
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Return the curves of all windows over a common set of lags, and the table of exponents with one row per window."""
    windows = geometries.windows
    own_lags = [
        window.stride * logarithmic_lags(window.updates, settings.lags_per_decade, settings.largest_lag) for window in windows
    ]
    lags = np.unique(np.concatenate(own_lags))
    curves = {name: np.full((len(windows), len(lags)), np.nan) for name in CURVES}
    rows = []
    for number, window in enumerate(windows):
        report(number, len(windows), f"window from step {window.start}")
        displacements, note = _displacements(geometries, number)
        values: dict[str, Any] = {"note": note}
        if displacements is not None:
            msd = time_averaged_msd(displacements)
            measured = _curves(displacements, msd, own_lags[number] // window.stride, settings.slope_width)
            for name, curve in measured.items():
                curves[name][number, np.searchsorted(lags, own_lags[number])] = curve
            if np.isfinite(measured["beta"]).any():
                values |= _exponents(msd, measured, own_lags[number], window, settings)
            else:
                values["note"] = "too few lags with a displacement for an exponent"
            if not values["note"] and math.isnan(values["beta_long"]):
                values["note"] = f"too short for the long lags {settings.long_lags[0]}–{settings.long_lags[1]}"
        values |= {"window": number, "waiting_time": window.start, "length": window.length, "stride": window.stride}
        rows.append({column: values.get(column, math.nan) for column in COLUMNS})
    report(len(windows), len(windows), "done")
    return _dataset(geometries, settings, lags, curves), pd.DataFrame(rows)


def _displacements(geometries: Geometries, number: int) -> tuple[NDArray[np.float64] | None, str]:
    """Return a window's squared displacements, or None and the reason why there are none to analyse."""
    if geometries.problem(number):
        return None, geometries.problem(number)
    if not geometries.reached(geometries.windows[number]):
        return None, f"the run {geometries.status} at step {geometries.steps_completed}, before the window's end"
    displacements = geometries.read(number).squared_displacements
    if not np.isfinite(displacements).all():
        return None, "the weights are not finite"
    if not displacements[0].any():
        return None, "the path does not move"
    return displacements, ""


def _curves(
    displacements: NDArray[np.float64], msd: NDArray[np.float64], lags: NDArray[np.int64], width: float
) -> dict[str, NDArray[np.float64]]:
    """Return the curves at ``lags``, which count recorded updates."""
    return {
        "msd": msd[lags],
        "ageing_msd": ageing_msd(displacements)[lags],
        "beta": local_exponents(msd, lags, width),
    }


def _exponents(
    msd: NDArray[np.float64],
    curves: dict[str, NDArray[np.float64]],
    lags: NDArray[np.int64],
    window: Window,
    settings: AnalysisSettings,
) -> dict[str, Any]:
    largest = int(np.nanargmax(curves["beta"]))
    regimes = fit_regimes(lags, curves["msd"])
    return {
        "beta_max": curves["beta"][largest],
        "beta_max_lag": lags[largest],
        "beta_long": _long_lag_exponent(msd, window, settings.long_lags),
        "regimes": regimes.count,
        "exponent_first": regimes.first,
        "exponent_second": regimes.second,
        "crossover_lag": regimes.crossover,
        "fit_from": regimes.fit_from,
        "fit_to": regimes.fit_to,
    }


def _long_lag_exponent(msd: NDArray[np.float64], window: Window, long_lags: tuple[int, int]) -> float:
    """Return the slope of the MSD between two lags in optimiser steps; NaN where the window is too short for them."""
    if window.length < long_lags[1]:
        return math.nan
    lags = window.stride * np.arange(len(msd))
    within = (lags >= long_lags[0]) & (lags <= long_lags[1])
    return slope(lags[within], msd[within])


def _dataset(
    geometries: Geometries, settings: AnalysisSettings, lags: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]
) -> xr.Dataset:
    """Label the curves, and carry the epoch series and the run's attributes along."""
    source = geometries.group
    epochs = np.asarray(source["epoch"][:])  # type: ignore[index]
    epoch_step = np.minimum(epochs * int(source.attrs.get("steps_per_epoch", 0)), geometries.steps_completed)  # type: ignore[arg-type]
    starts = np.array([window.start for window in geometries.windows])
    steps = {"units": "optimiser steps"}
    coordinates = {
        "lag": ("lag", lags, {"long_name": "lag τ"} | steps),
        "waiting_time": ("window", starts, {"long_name": "waiting time t_w"} | steps),
        "epoch": ("epoch", epochs, dict(source["epoch"].attrs)),
        "epoch_step": ("epoch", epoch_step, {"long_name": "optimiser step at the epoch's end"} | steps),
    }
    variables = {name: (("window", "lag"), curve, {"long_name": CURVES[name], "units": "1"}) for name, curve in curves.items()}
    series = {name: ("epoch", np.asarray(source[name][:]), dict(source[name].attrs)) for name in EPOCH_SERIES}  # type: ignore[index]
    carried = ("settings", "provenance", "steps", "steps_completed", "diverged_at", "status")
    attributes = {key: value for key, value in source.attrs.items() if key in carried} | {
        "kind": KIND,
        "format_version": VERSION,
        "analysis": settings.model_dump(mode="json"),
        "parameters": sum(math.prod(parameter["shape"]) for parameter in source.attrs["parameters"]),  # type: ignore
    }
    return xr.Dataset(variables | series, coordinates, attributes)
