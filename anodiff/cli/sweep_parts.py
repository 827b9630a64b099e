"""Which parts does a sweep have? Its runs, and what is measured of which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anodiff.settings.sweep import Config
from anodiff.sweep.runs import landscape_runs, learning_runs, parts_runs, runs_of_seeds, sweep_runs


@dataclass(frozen=True)
class SweepParts:
    """A sweep's folder, its runs, those with a landscape, with figures, with learning curves and with groups or walks, and
    whether it has the simplified model, characters, a cue in the data, groups, and walks.
    """

    results: Path
    runs: tuple[str, ...]
    landscapes: tuple[str, ...]
    model: bool
    drawn: tuple[str, ...]
    characters: bool = False
    learning: tuple[str, ...] = ()
    cue: bool = False
    parts: tuple[str, ...] = ()
    groups: bool = False
    walks: bool = False

    @property
    def page(self) -> Path:
        """Where its page is, or will be."""
        return self.results / "index.html"


def sweep_parts(config: Config) -> SweepParts:
    """Return what the sweep of a config file consists of."""
    runs = sweep_runs(config)
    landscapes = landscape_runs(runs, config.landscape.seeds)
    results = Path(config.paths.results, config.sweep.name)
    drawn = runs_of_seeds(runs, config.figures.seeds)
    learning = learning_runs(runs, config.learning.seeds)
    recordings = [run.settings.recording for run in runs.values()]
    return SweepParts(
        results,
        tuple(runs),
        tuple(landscapes),
        config.simplified_model.enabled,
        tuple(drawn),
        config.characters.enabled,
        tuple(learning),
        any(runs[name].settings.data.cue for name in learning),
        tuple(parts_runs(runs)),
        any(recording.groups for recording in recordings),
        any(recording.walks for recording in recordings),
    )
