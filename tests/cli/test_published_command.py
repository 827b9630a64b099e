"""`anodiff published`: the study's numbers, and runs beside them, printed, as JSON and as tables."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.errors import ConfigError, StoreMissingError
from anodiff.storage.tables import read_table, write_table

RESNET = {
    "data": {"name": "cifar10", "shift": 4, "flip": True},
    "model": {"name": "resnet14", "options": {"projection": True}},
    "training.batch_size": 128,
    "training.initialisation": "kaiming",
}


def published(*arguments):
    finished = CliRunner().invoke(app, ["published", *map(str, arguments)], catch_exceptions=False)
    assert finished.exit_code == 0
    return finished.output


@pytest.fixture
def runs(make_run):
    """Two seeds in the published set-up, whose tables have invented exponents, and a run of digits."""
    folders = [make_run({**RESNET, "seed": seed}) for seed in (0, 1)]
    for folder, first in zip(folders, (1.2, 1.4), strict=True):
        table = pd.read_csv(folder / "exponents.csv")
        table["regimes"] = 2
        table[["exponent_first", "exponent_second", "crossover_lag"]] = first, 0.7, 150
        write_table(table, folder / "exponents.csv")
    return [*folders, make_run()]


def test_without_runs_the_published_numbers_are_shown(tmp_path):
    printed = published("--output", tmp_path / "published.csv")
    assert "resnet110  with       256         0.1            1.182  0.884   110" in printed
    assert "274bf5e" in printed
    assert len(read_table(tmp_path / "published.csv")) == 28
    found = json.loads(published("--json"))
    assert len(found["published"]) == 28
    assert found["published"][-1]["crossover_lag"] is None


def test_runs_stand_beside_their_row_and_those_without_one_are_named(runs, tmp_path):
    printed = published(runs[0].parent, "--output", tmp_path / "beside.csv")
    assert "1 of 3 runs repeat no published row and are left out, such as mlp3-bs64-lr0.1-seed0: model.name is mlp3" in printed
    lines = [line.split() for line in printed.splitlines()]
    assert ["published", "1.315", "0.727", "180"] in lines
    fitted = [line for line in lines if line[2:3] == ["fitted"]]
    assert [line[2:4] for line in fitted] == 3 * [["fitted", "published"], ["fitted", "reversed"]]
    assert all("1.30" in line and "0.70" in line and "150" in line for line in fitted)
    assert [line[:5] for line in lines if line[:2] == ["fitted", "published"]] == [["fitted", "published", "9", "of", "9"]]
    assert "no repetition" in printed
    table = read_table(tmp_path / "beside.csv")
    assert (table.loc[table["reading"] == "fitted", "seeds"] == 2).all()
    assert len(table) == 3 * 3 * 2 * 2
    assert (tmp_path / "beside.parquet").exists()
    found = json.loads(published(*runs, "--json"))
    assert found["rows"][0]["value"] == pytest.approx(1.3)
    assert (found["rows"][0]["seeds"], found["rows"][0]["agrees"], found["rows"][0]["ratio"]) == (2, True, None)
    assert (found["rows"][0]["reading"], found["rows"][0]["order"]) == ("fitted", "published")
    assert (found["matched"], len(found["rows"]), len(found["summaries"])) == (2, 36, 4)
    summary = found["summaries"][0]
    assert [summary[name] for name in ("compared", "agreeing", "windows", "windows_agreeing")] == [9, 9, 3, 3]
    assert 0 < summary["others_agree_at_once"] < summary["others_agree"] < 1
    assert list(found["unmatched"]) == [runs[2].name]


def test_what_cannot_be_compared_is_refused(run_folder, tmp_path):
    runner = CliRunner()
    assert isinstance(runner.invoke(app, ["published", str(run_folder)]).exception, ConfigError)
    assert isinstance(runner.invoke(app, ["published", str(tmp_path / "nowhere")]).exception, StoreMissingError)
