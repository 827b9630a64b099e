"""Runs with invented curves in the layout of real ones: superdiffusive at first, subdiffusive in the end."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from anodiff.diffusion.columns import EXPONENT_COLUMNS
from anodiff.diffusion.nulls import NULLS
from anodiff.diffusion.parts.columns import PART_COLUMNS
from anodiff.inference.cells import KINDS
from anodiff.inference.runs.character_columns import CHARACTER_COLUMNS
from anodiff.learning.columns import CURVE_COLUMNS, LEARNING_WINDOW_COLUMNS
from anodiff.report.figures.catalogue import FIGURES
from anodiff.settings.base import dotted
from anodiff.settings.stages import AnalysisSettings
from anodiff.settings.sweep import Config
from anodiff.storage.stored_arrays import StoredArrays
from anodiff.storage.tables import write_table
from anodiff.sweep.claims import CLAIM_COLUMNS
from anodiff.sweep.results import RunResult, read_run
from anodiff.sweep.runs import sweep_runs
from anodiff.sweep.statements import CLAIMS
from anodiff.sweep.tables import exponents_table

#: Test samples that are looked at beside those as they are.
PROBES = ("cue removed", "cue reversed")

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
    add_learning(result, np.random.default_rng([run.settings.seed, 23]))
    return result


def add_learning(run, random, *, modes=5, classes=4, points=30, probe_accuracy=None):
    """Learning curves of a run as if they were read already: modes along logistic curves, learned after 1/s, classes after
    1/p; with ``probe_accuracy`` also the probes of a cue."""
    end = run.exponents["waiting_time"].max() + run.exponents["length"].max()
    steps = np.unique(np.concatenate([[0], np.geomspace(1, end, points).round()])).astype(int)
    strengths, shares = 0.3 * 0.7 ** np.arange(modes), 2.0 ** -np.arange(classes)
    wanted = [("all", "all", split, np.nan, 1.0, 0.05 * end) for split in ("train", "test")]
    wanted += [(f"mode {k + 1}", "mode", "train", s, np.nan, 0.006 * end / s) for k, s in enumerate(strengths)]
    wanted += [(f"class {k}", "class", "train", 2.0, p, 0.02 * end / p) for k, p in enumerate(shares / shares.sum())]
    if probe_accuracy is not None:
        wanted += [(name, "probe", "test", np.nan, np.nan, 0.1 * end) for name in PROBES]
    rows, curves, fitted = [], [], []
    for name, sort, split, strength, share, time in wanted:
        time *= np.exp(random.normal(0, 0.1))
        law = (1 / (1 + np.exp(7 * (1 - steps / time))) - 1 / (1 + np.exp(7))) * (1 + np.exp(-7))
        curve = law + random.normal(0, 0.01, len(steps)) * (steps > 0)
        row = {"curve": name, "sort": sort, "split": split, "samples": 256, "strength": strength, "frequency": share}
        row |= {"learning_time": time, "learning_time_low": 0.8 * time, "learning_time_high": 1.25 * time, "width": 0.6 * time}
        row |= {"final": curve[-1], "law": "logistic", "law_weight": 0.9, "sigmoid_advantage": 20 + random.normal()}
        row |= {"rate": 7 / time, "misfit": 0.01, "forgetting": 0.3, "mean_loss": 0.2}
        row |= {"accuracy": probe_accuracy if sort == "probe" else 0.9}
        rows.append(row | ({"accuracy": np.nan, "mean_loss": np.nan} if sort == "mode" else {}))
        curves.append(curve)
        fitted.append(law)
    table = pd.DataFrame(rows).reindex(columns=list(CURVE_COLUMNS)).astype({"note": "string"})
    start, length = (run.exponents[name].to_numpy(float) for name in ("waiting_time", "length"))
    times = table.loc[table["sort"] == "mode", "learning_time"].to_numpy()
    inside = ((0.7 * times <= (start + length)[:, None]) & (1.3 * times >= start[:, None])).sum(1)
    windows = pd.DataFrame({"window": run.exponents["window"], "waiting_time": start, "length": length})
    windows = windows.assign(
        modes_in_transition=inside, classes_in_transition=1, learned=0.5 * inside, mode_share=0.01 * inside
    )
    run.__dict__["learning"] = table
    run.__dict__["learning_windows"] = windows.assign(mode_share_chance=0.001, first_order=0.9, note="")[
        list(LEARNING_WINDOW_COLUMNS)
    ]
    curve = np.transpose(curves)
    arrays = {"step": steps, "curve": curve, "curve_low": curve - 0.05, "curve_high": curve + 0.05}
    samples = np.geomspace(10, end, 40)
    arrays |= {"curve_fitted": np.transpose(fitted), "train_learning_time": samples, "singular_value": strengths}
    arrays |= {"train_margin": np.log((steps[:, None] + 1) / (samples + 1)).astype(np.float32)}
    names, sorts, splits = (table[name].tolist() for name in ("curve", "sort", "split"))
    run.__dict__["learning_curves"] = StoredArrays(arrays, {"curves": names, "sorts": sorts, "splits": splits})


def write_learning(folder):
    """Give the folder of a finished run invented tables of learning; return the run."""
    run = read_run(folder)
    add_learning(run, np.random.default_rng(run.settings["seed"]))
    for name, table in (("learning.csv", run.learning), ("learning_windows.csv", run.learning_windows)):
        write_table(table, folder / name)
    return run


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
            CLAIMS.items(), itertools.cycle(("supports", "contradicts", "undecided", "not measured", "supports")), strict=False
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


def add_parts(run, groups=("embedding", "block 0", "output"), walks=("gradient", "preconditioned", "decay")):
    """Give a run groups and walks as if they were read already: each group moves a little differently."""
    random = np.random.default_rng([run.settings["seed"], 29])
    measured = run.curves["msd"].values
    shares = random.dirichlet(np.full(max(len(groups), 1), 0.5))
    parts = [("whole", "whole", 0.0, 1.0)]
    parts += [("group", name, 0.4 * place / max(len(groups) - 1, 1) - 0.2, shares[place]) for place, name in enumerate(groups)]
    parts += [("walk", name, {"gradient": -0.15, "decay": 0.5}.get(name, -0.02), 0.5) for name in walks]
    curves = {name: np.full((len(parts), *measured.shape), np.nan) for name in ("msd", "beta", "beta_low", "beta_high")}
    rows = []
    for place, (kind, name, more, share) in enumerate(parts):
        curves["msd"][place] = share * measured * LAGS**more
        for end, band in (("", 0), ("_low", -0.05), ("_high", 0.05)):
            curves[f"beta{end}"][place] = run.curves["beta"].values + more + band
        for number, start in enumerate(run.exponents["waiting_time"]):
            there = np.isfinite(measured[number]).any()
            long = run.exponents["beta_long"].iloc[number] + more + random.normal(0, 0.02)
            row = {"window": number, "waiting_time": start, "length": run.exponents["length"].iloc[number], "stride": 1}
            row |= {"kind": kind, "part": name, "part_parameters": 10}
            if there:
                row |= {"beta_long": long, "beta_long_low": long - 0.1, "beta_long_high": long + 0.1}
                row |= {"step_share": share, "msd_share_long": share}
            rows.append(row | {"note": None if there else "lost"})
    table = pd.DataFrame(rows).reindex(columns=list(PART_COLUMNS))
    run.__dict__["parts"] = table.astype({"note": "string", "flags": "string"})
    run.__dict__["part_curves"] = xr.Dataset(
        {name: (("part", "window", "lag"), values) for name, values in curves.items()},
        {
            "lag": LAGS,
            "waiting_time": ("window", run.curves["waiting_time"].values),
            "part": [name for _, name, *_ in parts],
            "part_kind": ("part", [kind for kind, *_ in parts]),
        },
        {"analysis": AnalysisSettings().model_dump(mode="json")},
    )
    return run


def write_parts(folder, **parts):
    """Give the folder of a finished run an invented table of parts; return the run."""
    run = read_run(folder)
    curves = {name: run.curves[name].reindex(lag=LAGS, method="nearest") for name in ("msd", "beta")}
    run.__dict__["curves"] = run.curves.drop_dims("lag").assign(curves)
    add_parts(run, **parts)
    write_table(run.parts, folder / "parts.csv")
    return run
