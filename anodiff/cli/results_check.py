"""What of a sweep's results would be made again, and why?

A run is trained again only if its store has other settings than the config. A later stage is done
again if its results are older than what they were made from, as Snakemake sees it, so after a copy
without time stamps too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anodiff.cli.doctor import OK, WARN, Finding
from anodiff.errors import AnodiffError, StoreMissingError
from anodiff.settings.loading import load_run
from anodiff.settings.run import RunSettings
from anodiff.settings.sweep import Config
from anodiff.storage.stores import read_attributes
from anodiff.sweep.finished import why_gather, why_train
from anodiff.sweep.runs import sweep_runs

#: What a stage of a run writes, and what it reads, in the run's folder.
STAGES = {
    "geometry": (("geometry.zarr",), ("trajectory.zarr",)),
    "diffusion": (("diffusion.zarr", "exponents.csv", "tails.csv"), ("geometry.zarr",)),
    "characterise": (("characters.csv",), ("geometry.zarr",)),
    "parts": (("parts.zarr", "parts.csv"), ("geometry.zarr",)),
    "landscape": (("landscape/slices",), ("trajectory.zarr", "geometry.zarr")),
    "roughness": (("landscape/roughness.zarr", "landscape/roughness.csv"), ("trajectory.zarr",)),
    "curvature": (("landscape/curvature.zarr",), ("trajectory.zarr",)),
    "learning": (("learning.zarr", "learning.csv", "learning_windows.csv"), ("trajectory.zarr",)),
    "run_figure": (
        ("figures",),
        ("trajectory.zarr", "geometry.zarr", "diffusion.zarr", "landscape/curvature.zarr", "learning.zarr", "parts.zarr"),
    ),
}


def check_results(results: str | Path, config: Config | None = None) -> list[Finding]:
    """Return for trainings, later stages and tables of a sweep what would be made again, and why.

    Parameters
    ----------
    results
        The sweep's folder, such as ``results/demo``.
    config
        Says which runs are wanted. Without one, those in the folder are, with the settings in their
        run.yaml.

    Raises
    ------
    StoreMissingError
        If the folder has no runs.
    """
    folder = Path(results) / "runs"
    there = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not there:
        raise StoreMissingError(f"{results}: no runs in it; give a sweep's folder, such as results/demo")
    if config is None:
        wanted, findings = _listed_runs(folder, there)
    else:
        wanted, findings = {name: run.settings for name, run in sweep_runs(config).items()}, []
    trained = {name: folder / name / "trajectory.zarr" for name in wanted if (folder / name / "trajectory.zarr").exists()}
    reasons = {name: why_train(store, wanted[name]).removeprefix(f"{store}: ") for name, store in trained.items()}
    kept = [name for name, why in reasons.items() if not why]
    findings.append(Finding("train", OK, f"{len(kept)} of {len(wanted)} runs are trained, with the settings that are wanted"))
    for why in dict.fromkeys(filter(None, reasons.values())):
        names = [name for name, reason in reasons.items() if reason == why]
        fix = "to keep what is there, put the settings back, or copy the results to another place first"
        found = f"would be done again, with all later stages, for {_counted(names)}: {why}"
        findings.append(Finding("train", WARN, found, fix))
    findings += [_check_stage(folder, stage, kept, config) for stage in STAGES]
    if config is not None:
        findings += _removed_runs([name for name in there if name not in wanted])
    return [*findings, _check_tables(Path(results, "tables", "exponents.csv"), list(wanted))]


def _listed_runs(folder: Path, names: list[str]) -> tuple[dict[str, RunSettings], list[Finding]]:
    """Return the runs whose run.yaml can be read, and a finding for each that cannot."""
    runs, findings = {}, []
    for name in names:
        try:
            runs[name] = load_run(folder / name / "run.yaml")
        except AnodiffError as error:
            findings.append(Finding(name, WARN, str(error), "give the config of the sweep: --config"))
    return runs, findings


def _check_stage(folder: Path, stage: str, runs: list[str], config: Config | None) -> Finding:
    reasons = {name: why for name in runs if (why := _why_again(folder / name, stage, config))}
    if not reasons:
        return Finding(stage, OK, f"{sum((folder / name / STAGES[stage][0][0]).exists() for name in runs)} runs have it")
    why = next(iter(reasons.values()))
    found = f"would be done again for {_counted(list(reasons))}: {why}"
    touch = "if only time stamps have changed, as by cp -r: snakemake --touch, with the sweep's --configfile"
    return Finding(stage, WARN, found, touch if "older" in why else "run snakemake")


def _why_again(run: Path, stage: str, config: Config | None) -> str:
    """Return why a stage would be done again for a run; nothing if it would not, or has never been."""
    outputs, inputs = ([run / name for name in names] for names in STAGES[stage])
    if not any(path.exists() for path in outputs):
        return ""
    for path in outputs:
        if not path.exists():
            return f"there is no {path.name}"
    oldest = min(outputs, key=_changed)
    for path in inputs:
        if path.exists() and _changed(path) > _changed(oldest):
            return f"{oldest.name} is older than {path.name}"
    if stage in ("diffusion", "parts") and config is not None:
        made_with, asked_for = _analysis(outputs[0]), config.analysis.model_dump(mode="json")
        differing = [key for key in asked_for if made_with.get(key) != asked_for[key]]
        if differing:
            return f"analysis.{differing[0]} is {made_with.get(differing[0])!r} there and {asked_for[differing[0]]!r} here"
    return ""


def _analysis(store: Path) -> dict[str, Any]:
    try:
        return read_attributes(store).get("analysis") or {}
    except AnodiffError:
        return {}


def _changed(path: Path) -> float:
    """Return the time of the last change as Snakemake sees it: it puts a file into folders that it has made."""
    stamp = path / ".snakemake_timestamp"
    return (stamp if path.is_dir() and stamp.exists() else path).stat().st_mtime


def _check_tables(table: Path, runs: list[str]) -> Finding:
    why = why_gather(table, runs).removeprefix(f"{table}: ")
    if why:
        return Finding("tables", WARN, f"would be made again, and with them figures and page: {why}", "run snakemake")
    return Finding("tables", OK, "they are of these runs" if table.exists() else "not made yet")


def _counted(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} runs, such as {names[0]}"


def _removed_runs(names: list[str]) -> Iterator[Finding]:
    if names:
        found = f"not in the config: {_counted(names)}; tables, figures and page leave them out"
        yield Finding("other runs", WARN, found, "remove or archive their folders, or put the runs back into the config")
