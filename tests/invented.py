"""Runs with invented curves in the layout of real ones: superdiffusive at first, subdiffusive in the end."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from anodiff.diffusion.columns import EXPONENT_COLUMNS
from anodiff.diffusion.nulls import NULLS
from anodiff.inference.cells import KINDS
from anodiff.inference.runs.character_columns import CHARACTER_COLUMNS
from anodiff.report.figures.catalogue import FIGURES
from anodiff.settings.base import dotted
from anodiff.settings.stages import AnalysisSettings
from anodiff.settings.sweep import Config
from anodiff.storage.tables import write_table
from anodiff.sweep.claims import CLAIM_COLUMNS, CLAIMS
from anodiff.sweep.results import RunResult
from anodiff.sweep.runs import sweep_runs
from anodiff.sweep.tables import exponents_table

LAGS = np.unique(np.round(np.geomspace(1, 900, 60)).astype(int))


def invented_run(run, starts, diverged_at=None, length=1000):
    """A run that is superdiffusive at first and subdiffusive in the end, with invented curves and tables."""
    random = np.random.default_rng([run.settings.seed, run.settings.training.batch_size])
    starts = np.asarray(starts)
    there = np.array([diverged_at is None or start + length <= diverged_at for start in starts])
    late = np.linspace(0, 1, len(starts))[:, None]
    beta = 0.85 + (1 - late) * 0.8 / (1 + (60 / LAGS) ** 1.5) + random.normal(0, 0.01, (len(starts), 1))
    beta[~there] = np.nan
    log_lags = np.log(LAGS)
    steps = np.diff(log_lags) * (beta[:, 1:] + beta[:, :-1]) / 2
    msd = 0.05 * np.exp(np.concatenate([np.zeros((len(starts), 1)), steps.cumsum(1)], 1))
    msd[~there] = np.nan
    table = {column: np.full(len(starts), np.nan) for column in EXPONENT_COLUMNS} | {
        "note": [None if ok else "lost" for ok in there]
    }
    table |= {"window": np.arange(len(starts)), "waiting_time": starts, "length": length, "stride": 1}
    table |= {"beta_max": beta.max(1), "beta_long": beta[:, LAGS > 200].mean(1)}
    epoch_step = np.arange(0, starts.max() + length + 1, 200)
    epochs = len(epoch_step)
    test_loss = np.exp(-epoch_step / 3000) + random.uniform(0.02, 0.04, epochs)
    series = {"train_loss": 1.2 * test_loss, "train_accuracy": 0.9 - 0.5 * test_loss, "test_loss": test_loss}
    series |= {"test_accuracy": np.where(np.arange(epochs) % 2, np.nan, 1 - 0.5 * test_loss)}
    attributes = {"analysis": AnalysisSettings().model_dump(mode="json"), "status": "complete", "parameters": 30}
    attributes |= {"steps_completed": int(epoch_step[-1])}
    if diverged_at is not None:
        attributes |= {"status": "diverged", "diverged_at": diverged_at, "steps_completed": diverged_at}
        series = {name: np.where(epoch_step <= diverged_at, values, np.nan) for name, values in series.items()}
    settings = run.settings.model_dump(mode="json")
    bands = {"beta_low": beta - 0.05, "beta_high": beta + 0.05}
    bands |= {"effective_samples": 50 + 0 * beta}
    for level, null in enumerate(NULLS):
        bands |= {f"beta_{null}": 0.9 + 0.1 * level + 0 * beta, f"beta_{null}_low": 0.85 + 0.1 * level + 0 * beta}
        bands |= {f"beta_{null}_high": 0.95 + 0.1 * level + 0 * beta}
    dataset = xr.Dataset(
        {"msd": (("window", "lag"), msd), "ageing_msd": (("window", "lag"), msd), "beta": (("window", "lag"), beta)}
        | {name: (("window", "lag"), band) for name, band in bands.items()}
        | {name: ("epoch", values) for name, values in series.items()},
        {"lag": LAGS, "waiting_time": ("window", starts), "epoch": np.arange(epochs), "epoch_step": ("epoch", epoch_step)},
        attributes | {"settings": settings},
    )
    result = RunResult(
        Path(run.name),
        run.name,
        dataset,
        pd.DataFrame(table).astype({"note": "string"}),
        invented_tails(starts, there, random),
        dotted(settings),
    )
    result.__dict__["characters"] = invented_characters(starts, there, random)  # as if they were read already
    return result


def invented_characters(starts, there, random):
    """Rows of characters.csv, of random and of first principal coordinates; empty if a window is missing."""
    rows = []
    for start, present in zip(starts, there, strict=True):
        for coordinate in ("random", "principal_1"):
            row = {"waiting_time": start, "coordinate": coordinate}
            if present:
                alpha = random.uniform(0.8, 1.5)
                row |= {"exponent": alpha, "exponent_quartile_1": alpha - 0.1, "exponent_quartile_3": alpha + 0.1}
                row |= dict(zip(KINDS, random.dirichlet(np.ones(len(KINDS))), strict=True))
                row |= {"unfamiliar": random.uniform(0, 0.5), "nulls": 19, "exponent_shuffled": 1.1}
                row |= {"exponent_p_shuffled": random.integers(1, 21) / 20}
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(CHARACTER_COLUMNS))


def invented_tails(starts, there, random):
    """Rows of tails.csv for windows that begin at ``starts``: gradients and steps, NaN if a window is missing."""
    table = pd.DataFrame(
        {"waiting_time": starts, "stable_alpha": np.where(there, random.uniform(1.5, 1.9, len(starts)), np.nan)}
    )
    table["stable_alpha_low"], table["stable_alpha_high"] = table["stable_alpha"] - 0.05, table["stable_alpha"] + 0.05
    table["against_exponential"] = np.where(there, random.normal(0, 3, len(starts)), np.nan)
    return pd.concat([table.assign(quantity=quantity) for quantity in ("step_length", "standardised_gradient")])


def invented_sweep(grid, starts=range(0, 5000, 1000), diverged_at=None):
    """Runs of a grid of axes; ``diverged_at`` has the step for the names of runs that diverge."""
    defaults = {"data": "digits", "training": {"steps": 5000}}
    runs = sweep_runs(Config.model_validate({"sweep": {"name": "invented", "defaults": defaults, "grid": [grid]}}))
    return [invented_run(run, starts, (diverged_at or {}).get(name)) for name, run in runs.items()]


def sweep(models=("mlp3", "vgg9"), batches=(64, 128), rates=(0.1,), seeds=(0, 1), **further):
    axes = {"model": list(models), "training.batch_size": list(batches), "optimiser.learning_rate": list(rates)}
    return invented_sweep(axes | {"seed": list(seeds)}, **further)


def page_sources(runs, folder):
    """Write tables, stand-ins for figures and a figure of the first run to a folder; return the sources of a page."""
    write_table(exponents_table(runs), folder / "exponents.csv")
    numbers = (1.5, 1.2, 1.8, 8)
    claims = [
        [
            number,
            claim.title,
            "a part",
            "beta_long",
            *numbers,
            "sign test against 1",
            0.008,
            verdict,
            "chance",
            "a drift",
            "a note",
        ]
        for (number, claim), verdict in zip(
            CLAIMS.items(), ("supports", "contradicts", "undecided", "not measured", "supports"), strict=True
        )
    ]
    write_table(pd.DataFrame(claims, columns=list(CLAIM_COLUMNS)), folder / "claims.csv")
    of_run = folder / "runs" / runs[0].name / "figures" / "msd.svg"
    of_run.parent.mkdir(parents=True)
    for file in (*(folder / f"{kind}.svg" for kind in FIGURES), of_run):
        file.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="300pt" height="150pt" viewBox="0 0 300 150">'
            f'<title>{file.stem}</title><circle cx="75" cy="75" r="50"/></svg>'
        )
    return [folder / "exponents.csv", folder / "claims.csv", *(folder / f"{kind}.svg" for kind in FIGURES)]
