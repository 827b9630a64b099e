"""How are the results of a calibration written?

Its table and its figures appear together, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anodiff.errors import ConfigError, did_you_mean
from anodiff.report.figures.drawing import output_files, save
from anodiff.simulation.calibration.paths import calibrate
from anodiff.simulation.processes import PROCESSES
from anodiff.storage.stores import writing_all
from anodiff.storage.threads import one_blas_thread
from anodiff.storage.types import ProgressCallback, no_progress

if TYPE_CHECKING:
    import pandas as pd


def write_calibration(
    output: str | Path,
    figure: str | Path,
    names: Sequence[str],
    *,
    dimensions: Sequence[int],
    paths: int,
    steps: int,
    seed: int,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> pd.DataFrame:
    """Calibrate on the named processes, or on all if none is named; write the table and the figure,
    or neither.

    If none is named, the table also has the roughness of fractional graphs, see
    `anodiff.simulation.calibration.roughness`, and learning curves, see
    `anodiff.simulation.calibration.learning`. A second figure is written next to the first, its
    name ending in ``-roughness``.
    """
    import pandas as pd

    for name in names:
        if name not in PROCESSES:
            raise ConfigError(f"--process {name}: {did_you_mean(name, PROCESSES)}")
    if Path(output).suffix != ".csv":
        raise ConfigError(f"{output}: the table's name must end in .csv")
    output_files(figure)
    second = Path(figure).with_stem(f"{Path(figure).stem}-roughness")
    outputs = [output, figure] if names else [output, figure, second]
    with writing_all(outputs, overwrite=overwrite) as temporary, one_blas_thread():
        table_path, figure_path, *others = temporary.values()
        chosen = [PROCESSES[name] for name in names or PROCESSES]
        table = calibrate(chosen, dimensions=dimensions, paths=paths, steps=steps, seed=seed, report=report)
        from anodiff.report.figures.model.calibration import calibration, roughness_calibration

        save(calibration(table), figure_path, Path(figure).suffix)
        if others:
            from anodiff.simulation.calibration.learning import calibrate_learning
            from anodiff.simulation.calibration.roughness import calibrate_roughness

            graphs = calibrate_roughness(graphs=paths, seed=seed, report=report)
            save(roughness_calibration(graphs), others[0], Path(figure).suffix)
            curves = calibrate_learning(curves=paths, seed=seed, report=report)
            table = pd.concat([table, graphs, curves], ignore_index=True)
        table.to_csv(table_path, index=False)
    return table
