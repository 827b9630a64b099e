"""How does a run diffuse? From geometry.zarr to diffusion.zarr, exponents.csv and tails.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.diffusion.columns import CURVES, EXPONENT_COLUMNS, WINDOW_COLUMNS, raised_flags
from anodiff.diffusion.excursions import transverse_excursions
from anodiff.diffusion.explanations import other_explanations
from anodiff.diffusion.exponents import local_exponents
from anodiff.diffusion.intervals import Interval
from anodiff.diffusion.jumps import TAIL_COLUMNS, describe_tails
from anodiff.diffusion.null_comparison import compare_with_nulls
from anodiff.diffusion.nulls import null_curves
from anodiff.diffusion.pairs import loss_difference_by_distance, loss_roughness, path_dimension
from anodiff.diffusion.window_exponents import WindowExponents, measure_exponents
from anodiff.geometry.msd import ageing_msd, logarithmic_lags, time_averaged_msd
from anodiff.geometry.path import PathGeometry
from anodiff.geometry.store import Geometries, open_geometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.arrays import create_array
from anodiff.storage.integrity import CHECKSUMS
from anodiff.storage.stores import create_store, finish_store, open_store, writing_all
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import ProgressCallback, no_progress
from anodiff.trajectory.format import EPOCH_SERIES, columns_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

KIND = "anodiff diffusion"
VERSION = 4


@dataclass(frozen=True)
class Analysis:
    """The results of a run: curves of all windows, a row of exponents per window, rows of tails."""

    curves: xr.Dataset
    exponents: pd.DataFrame
    tails: pd.DataFrame


def compute_diffusion(
    geometry_path: str | Path,
    output: str | Path,
    table: str | Path,
    tails: str | Path,
    settings: AnalysisSettings,
    *,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Analyse geometry.zarr; write diffusion.zarr, exponents.csv and tails.csv, or none of them.

    Their bits depend neither on the number of threads nor on that of cores.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, OutputExistsError, StorageError
    """
    geometries = open_geometry(geometry_path)
    with writing_all([output, table, tails], overwrite=overwrite) as temporary, one_blas_thread():
        found = analyse(geometries, settings, report)
        found.exponents.to_csv(temporary[Path(table)], index=False)
        found.tails.to_csv(temporary[Path(tails)], index=False)
        _write_curves(found.curves, temporary[Path(output)])


def open_diffusion(path: str | Path) -> xr.Dataset:
    """Return a finished diffusion.zarr, labelled and in memory.

    It raises what `anodiff.storage.stores.open_store` raises.
    """
    import xarray as xr

    curves = xr.open_zarr(open_store(path, KIND, VERSION).store, chunks=None).load()
    del curves.attrs[CHECKSUMS]
    return curves


def analyse(
    geometries: Geometries,
    settings: AnalysisSettings,
    report: ProgressCallback = no_progress,
) -> Analysis:
    """Return the curves over a common set of lags, a row of exponents per window, and the tails."""
    import pandas as pd

    windows = geometries.windows
    own_lags = [
        window.stride * logarithmic_lags(window.updates, settings.lags_per_decade, settings.largest_lag) for window in windows
    ]
    lags = np.unique(np.concatenate(own_lags))
    curves = {name: np.full((len(windows), len(lags)), np.nan) for name in CURVES}
    rows: list[dict[str, Any]] = []
    tails: list[dict[str, Any]] = []
    for number, window in enumerate(windows):
        report(number, len(windows), f"window from step {window.start}")
        path, note = geometries.moving_path(number)
        labels = {"window": number, "waiting_time": window.start, "length": window.length, "stride": window.stride}
        row: dict[str, Any] = labels | {"note": note}
        if path is not None:
            columns = np.searchsorted(lags, own_lags[number])
            measured, exponents = _measure(path, own_lags[number] // window.stride, settings, geometries, number)
            for name, curve in measured.items():
                curves[name][number, columns] = curve
            row |= exponents
            tails += [labels | each for each in _tails(path, geometries, number)]
        rows.append(row)
    report(len(windows), len(windows), "done")
    return Analysis(
        _dataset(geometries, settings, lags, curves),
        pd.DataFrame(rows, columns=list(EXPONENT_COLUMNS)),
        pd.DataFrame(tails, columns=list(WINDOW_COLUMNS | TAIL_COLUMNS)),
    )


def exponent_row(exponents: WindowExponents, lags: NDArray[np.int64], stride: int) -> dict[str, Any]:
    """Return the row's columns that hold a window's exponents, with lags in optimiser steps."""
    regimes = exponents.regimes
    row: dict[str, Any] = {"regimes": regimes.count, "beta_max_lag": stride * lags[exponents.largest_at]}
    row["beta_max_to"] = stride * lags[exponents.searched_to]
    crossover, second_crossover = (
        Interval(*(stride * value for value in (lag.value, lag.low, lag.high)))
        for lag in (exponents.crossover, exponents.second_crossover)
    )
    named = {
        "beta_max": exponents.largest,
        "beta_long": exponents.long,
        "exponent_first": exponents.first,
        "exponent_second": exponents.second,
        "exponent_third": exponents.third,
        "crossover_lag": crossover,
        "second_crossover_lag": second_crossover,
    }
    row |= with_intervals(named) | {"regime_lags": exponents.regime_lags(stride)}
    if regimes.count:
        last = int(np.searchsorted(lags, regimes.fit_to))
        row |= {"fit_from": stride * regimes.fit_from, "fit_to": stride * regimes.fit_to}
        row |= {"fit_samples": exponents.samples[last], "fit_dimension": exponents.dimension[last]}
    return row


def with_intervals(named: Mapping[str, Interval]) -> dict[str, float]:
    """Return the columns of several values and of the ends of their intervals, by name."""
    return {column: value for name, interval in named.items() for column, value in interval.columns(name).items()}


def _measure(
    path: PathGeometry, lags: NDArray[np.int64], settings: AnalysisSettings, geometries: Geometries, number: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Return a window's curves at ``lags``, in recorded updates, and the exponents of its row."""
    displacements = path.squared_displacements
    msd = time_averaged_msd(displacements)
    beta = local_exponents(msd, lags, settings.slope_width)
    curves = {"msd": msd[lags], "ageing_msd": ageing_msd(displacements)[lags], "beta": beta}
    if not np.isfinite(beta).any():
        return curves, {"note": "too few lags with a displacement for an exponent"}
    stride = path.window.stride
    long = (settings.long_lags[0] / stride, settings.long_lags[1] / stride)
    exponents = measure_exponents(path, msd, lags, beta, settings.slope_width, long, seed=number)
    curves |= {
        "beta_low": exponents.beta_low,
        "beta_high": exponents.beta_high,
        "effective_samples": exponents.samples,
        "effective_dimension": exponents.dimension,
        "update_autocorrelation": np.append(
            path.update_autocorrelation(lags[lags < len(path.gram)]), [np.nan] * (lags >= len(path.gram)).sum()
        ),
    }
    row = exponent_row(exponents, lags, stride)
    excursions = transverse_excursions(displacements, lags)
    curves["excursion_ratio"] = excursions.ratio
    losses = geometries.point_series("loss", number)
    row |= {"step_length_variation": path.step_lengths.std() / path.step_lengths.mean()} | with_intervals(
        {
            "path_dimension": path_dimension(displacements, path.contour_length, exponents.overall, exponents.single_steps),
            "excursion_exponent": excursions.exponent,
            "loss_roughness": loss_roughness(loss_difference_by_distance(displacements, losses)),
        }
    )
    per_epoch = geometries.group.attrs.get("steps_per_epoch")
    nulls = null_curves(
        path,
        lags,
        draws=settings.null_draws,
        steps_per_epoch=int(per_epoch) if per_epoch else None,  # type: ignore[arg-type]
        generator=np.random.default_rng([number, 1]),
        dimension=exponents.dimension,
    )
    null_beta, null_row = compare_with_nulls(nulls, exponents, curves["msd"], beta, lags, settings.slope_width, long)
    explanations, explanation_row = other_explanations(path, lags, curves["msd"], exponents, settings, seed=number)
    if math.isnan(row["beta_long"]):
        row["note"] = f"too short, or too few of its points, for the long lags {settings.long_lags[0]}–{settings.long_lags[1]}"
    row |= null_row | explanation_row
    return curves | null_beta | explanations, row | {"flags": raised_flags(row, exponents.crossover_problem(stride))}


def _tails(path: PathGeometry, geometries: Geometries, number: int) -> list[dict[str, Any]]:
    return describe_tails(
        path.step_lengths,
        geometries.gradients(number),
        geometries.point_series("noise_norm", number),
        geometries.point_series("loss", number),
        seed=number,
    )


def _dataset(
    geometries: Geometries, settings: AnalysisSettings, lags: NDArray[np.int64], curves: dict[str, NDArray[np.float64]]
) -> xr.Dataset:
    """Return the labelled curves, with the epoch series and the attributes of the run."""
    import xarray as xr

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
    variables: dict[str, Any] = {
        name: (("window", "lag"), curves[name], {"long_name": CURVES[name], "units": "1"}) for name in CURVES
    }
    series = {name: ("epoch", np.asarray(source[name][:]), dict(source[name].attrs)) for name in EPOCH_SERIES}  # type: ignore[index]
    copied = ("settings", "provenance", "steps", "steps_completed", "diverged_at", "status", "representation", "sketch")
    attributes = {key: value for key, value in source.attrs.items() if key in copied} | {
        "kind": KIND,
        "format_version": VERSION,
        "analysis": settings.model_dump(mode="json"),
        "parameters": columns_of(source.attrs["parameters"][-1]).stop,  # type: ignore
    }
    return xr.Dataset(variables | series, coordinates, attributes)


def _write_curves(curves: xr.Dataset, path: Path) -> None:
    """Write diffusion.zarr. Xarray finds its coordinates by the attribute ``coordinates``."""
    status = curves.attrs["status"]
    others = {"coordinates": " ".join(map(str, curves.coords))}
    group = create_store(path, KIND, VERSION, {**curves.attrs, **others})
    for name, variable in curves.variables.items():
        create_array(group, str(name), [str(dimension) for dimension in variable.dims], variable.attrs, data=variable.values)
    finish_store(group, status)
