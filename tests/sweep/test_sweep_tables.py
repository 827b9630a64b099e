import math

import numpy as np
import pandas as pd
import pytest
from invented import write_learning, write_parts
from typer.testing import CliRunner

from anodiff.cli.app import app
from anodiff.diffusion.analysis import open_diffusion
from anodiff.diffusion.columns import EXPONENT_COLUMNS, WINDOW_COLUMNS
from anodiff.diffusion.jumps import QUANTITIES, TAIL_COLUMNS
from anodiff.diffusion.parts.columns import PART_COLUMNS
from anodiff.errors import ConfigError, IncompleteStoreError, OutputExistsError, StoreMissingError
from anodiff.sweep import table_makers, tables
from anodiff.sweep.claims import claim_rows
from anodiff.sweep.connections import LANDSCAPE_COLUMNS
from anodiff.sweep.learning_relations import RELATION_COLUMNS, step_relations, window_relations
from anodiff.sweep.learning_steps import step_series
from anodiff.sweep.results import read_run, read_runs
from anodiff.sweep.run_columns import RUN_COLUMNS, SETTING_COLUMNS, with_run_columns
from anodiff.sweep.table_makers import learning_table, learning_window_rows, learning_windows_table
from anodiff.sweep.tables import TABLES, configuration_table, ensemble_table, exponents_table, tails_table, write_tables


def table_of(*folders):
    return exponents_table(read_runs(folders))


def test_there_is_a_row_for_every_run_and_window_in_their_order(make_run):
    folders = [make_run({"seed": 1}), make_run({"seed": 0})]
    table = table_of(*folders)
    assert table["run"].tolist() == [folder.name for folder in folders for _ in range(3)]
    assert table["window"].tolist() == [0, 1, 2] * 2
    assert table["waiting_time"].tolist() == [0, 20, 40] * 2


def test_the_rows_hold_the_runs_settings_and_end_and_the_windows_exponents(make_run):
    folder = make_run({"seed": 3, "training.batch_size": 32, "optimiser.learning_rate": 0.5, "model": "vgg9", "data": "mnist"})
    table = table_of(folder)
    assert list(table) == ["run", "group", *SETTING_COLUMNS, *list(RUN_COLUMNS)[2:], *EXPONENT_COLUMNS]
    about = table.iloc[0]
    assert about["run"] == folder.name == "vgg9-bs32-lr0.5-seed3-mnist"
    assert about["group"] == "vgg9-bs32-lr0.5-mnist"
    assert about[list(SETTING_COLUMNS)].tolist() == ["mnist", "vgg9", 32, 0.5, 3]
    assert (about["parameters"], about["status"], about["steps_completed"]) == (30, "complete", 60)
    assert math.isnan(about["diverged_at"])
    assert about["train_loss"] == pytest.approx(1 / 3)
    assert about["test_accuracy"] == pytest.approx(0.2)
    assert math.isnan(about["test_loss"])  # never measured
    assert table["note"].isna().all()
    measured = [column for column in EXPONENT_COLUMNS if column not in ("note", "flags")]
    pd.testing.assert_frame_equal(table[measured], pd.read_csv(folder / "exponents.csv")[measured])
    assert table["beta_steepest"].tolist() == open_diffusion(folder / "diffusion.zarr").beta.max("lag").values.tolist()


def test_missing_runs_have_a_row_that_says_why(make_run, tmp_path):
    finished, failed, waiting = make_run(), tmp_path / "failed", tmp_path / "waiting"
    (tmp_path / "logs" / "train").mkdir(parents=True)
    (tmp_path / "logs" / "train" / "failed.log").write_text("begun\nanodiff: cifar10 is not in data\n\n")
    write_tables([failed, finished, waiting], tmp_path / "partial.csv", logs=tmp_path / "logs")
    for table in (pd.read_csv(tmp_path / "partial.csv"), pd.read_parquet(tmp_path / "partial.parquet")):
        assert table["run"].tolist() == [finished.name] * 3 + ["failed", "waiting"]
        assert table["status"].tolist() == ["complete"] * 3 + ["missing"] * 2
        assert table["note"].tolist()[3:] == ["train: cifar10 is not in data", "not started"]
    write_tables([failed], tmp_path / "nothing.csv", logs=tmp_path / "logs")
    assert len(pd.read_csv(tmp_path / "nothing.csv")) == 1
    with pytest.raises(StoreMissingError):
        write_tables([failed, finished], tmp_path / "strict.csv")


def test_a_series_is_represented_by_its_last_measured_value(make_run):
    folder = make_run()
    run = read_run(folder)
    run.curves["test_loss"].values[:] = [3.0, 2.0, np.nan]
    assert exponents_table([run])["test_loss"].tolist() == [2.0] * 3


def test_settings_that_differ_between_the_runs_are_columns_and_the_others_are_not(make_run):
    entries = [{"optimiser.momentum": 0.9}, {"data.flip": True}, {"recording.windows": [{"start": 0, "length": 20}]}]
    table = table_of(*map(make_run, entries)).groupby("run", sort=False).first()
    settings = [column for column in table if "." in column]
    assert sorted(settings) == ["data.flip", "optimiser.momentum", "recording.windows"]
    assert table["optimiser.momentum"].tolist() == [0.9, 0, 0]
    assert table["data.flip"].tolist() == [False, True, False]
    assert table["recording.windows"].tolist()[:2] == ["contiguous"] * 2
    assert "'length': 20" in table["recording.windows"].iloc[2]


def test_a_setting_that_one_run_does_not_have_is_empty_there(make_run):
    entries = [{"model": {"name": "vit", "width": 8, "options": {"heads": 2}}}, {"model": "mlp3"}]
    table = table_of(*map(make_run, entries)).groupby("model", sort=False).first()
    assert table.loc["vit", "model.options.heads"] == 2
    assert pd.isna(table.loc["mlp3", "model.options.heads"])


def test_a_diverged_run_has_its_rows_with_the_reason(make_run):
    table = table_of(make_run({"seed": 0}), make_run({"seed": 1}, taken=25, status="diverged", diverged_at=25))
    diverged = table[table["status"] == "diverged"]
    assert diverged["seed"].tolist() == [1] * 3
    assert diverged["diverged_at"].tolist() == [25] * 3
    assert diverged["steps_completed"].tolist() == [25] * 3
    assert diverged["beta_max"].notna().tolist() == [True, False, False]
    assert diverged["note"].isna().tolist() == [True, False, False]
    assert diverged["note"].iloc[1] == "the run diverged at step 25, before the window's end"
    assert table["diverged_at"].isna().tolist() == [True] * 3 + [False] * 3


def test_a_table_without_rows_keeps_its_columns(make_run):
    """As of landscapes, where the only run with full weights has diverged."""
    runs = read_runs([make_run()])
    whole = exponents_table(runs)
    assert list(with_run_columns(runs, [runs[0].exponents.head(0)])) == list(whole)
    landscape = with_run_columns(runs, [pd.DataFrame(columns=list(LANDSCAPE_COLUMNS))])
    claims = claim_rows(whole, tails_table(runs), landscape)
    assert (claims.loc[claims["claim"] == 4, "verdict"] == "not measured").all()


def test_csv_and_parquet_hold_the_same_table(make_run, tmp_path):
    folders = [make_run({"seed": 1}), make_run({"recording.windows": "log"})]
    folders += [make_run({"data.flip": True}, taken=25, status="diverged", diverged_at=25)]
    returned = write_tables(folders, tmp_path / "out" / "table.csv")["exponents"]
    csv, parquet = pd.read_csv(tmp_path / "out" / "table.csv"), pd.read_parquet(tmp_path / "out" / "table.parquet")
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == ["table.csv", "table.csv.sha256", "table.parquet"]
    assert len(csv) == len(returned) == 9
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)
    pd.testing.assert_frame_equal(returned, parquet, check_dtype=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"training.steps": 60}, {"training": {"steps": 60, "threads": 2}}),
        ({"recording.windows": "log"}, {"recording.windows": [{"start": 0, "length": 20}]}),
        ({"model": "mlp3"}, {"model": "resnet14"}),
        ({"data": "digits"}, {"data": {"name": "gaussian_clusters", "clusters": {"classes": 3}}}),
        ({"data": "digits"}, {"data": {"name": "image_folder", "folder": "cats"}}),
        ({"model": "some.module:net"}, {"model": {"name": "some.module:net", "options": {"rank": 3, "flag": True}}}),
        (
            {"model": {"name": "some.module:net", "options": {"rank": 3}}},
            {"model": {"name": "some.module:net", "options": {"rank": "full"}}},
        ),
    ],
    ids=["number", "text and list", "models", "section or none", "text or none", "options or none", "number and text"],
)
def test_runs_of_any_settings_fit_in_one_table(make_run, tmp_path, one, other):
    write_tables([make_run(one), make_run(other)], tmp_path / "table.csv")
    csv, parquet = pd.read_csv(tmp_path / "table.csv"), pd.read_parquet(tmp_path / "table.parquet")
    assert list(csv) == list(parquet)
    assert csv["run"].nunique() == 2


def test_several_tables_are_made_from_runs_that_are_read_once(make_run, tmp_path, monkeypatch):
    folders, read = [make_run({"seed": seed}) for seed in (0, 1)], []
    monkeypatch.setattr(tables, "read_runs", lambda given: read.append(given) or read_runs(given))
    written = write_tables(folders, tmp_path / "tables", kinds=["tails", "exponents"])
    assert read == [folders]
    assert list(written) == ["tails", "exponents"]
    for kind in written:
        write_tables(folders, tmp_path / f"{kind}.csv", kinds=[kind])
        for ending in ("csv", "parquet"):
            assert (tmp_path / f"{kind}.{ending}").read_bytes() == (tmp_path / "tables" / f"{kind}.{ending}").read_bytes()


def test_if_one_table_fails_none_is_written(make_run, tmp_path):
    with pytest.raises(StoreMissingError, match=r"roughness\.csv"):
        write_tables([make_run()], tmp_path / "tables", kinds=["exponents", "landscape"])
    assert list((tmp_path / "tables").iterdir()) == []


@pytest.mark.parametrize("existing", ["table.csv", "table.parquet"])
def test_an_existing_table_is_replaced_only_with_overwrite(run_folder, tmp_path, existing):
    (tmp_path / existing).write_text("old")
    with pytest.raises(OutputExistsError, match=f"{existing} already exists"):
        write_tables([run_folder], tmp_path / "table.csv")
    assert (tmp_path / existing).read_text() == "old"
    write_tables([run_folder], tmp_path / "table.csv", overwrite=True)
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(pd.read_parquet(tmp_path / "table.parquet")) == 3


def without_table(folder):
    (folder / "exponents.csv").unlink()


def unfinished(folder):
    metadata = folder / "diffusion.zarr" / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"complete"', '"running"'))


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (without_table, StoreMissingError, r"exponents\.csv: no such table; make it with: anodiff diffusion .*geometry\.zarr$"),
        (unfinished, IncompleteStoreError, "has not finished"),
    ],
)
def test_a_run_that_is_not_analysed_is_refused_and_no_table_written(run_folder, tmp_path, change, kind, reason):
    change(run_folder)
    with pytest.raises(kind, match=reason) as refused:
        write_tables([run_folder], tmp_path / "table.csv")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "table.csv").exists()


def test_no_runs_and_another_ending_are_refused(run_folder, tmp_path):
    with pytest.raises(ConfigError, match="no runs given"):
        write_tables([], tmp_path / "table.csv")
    with pytest.raises(ConfigError, match=r"must end in \.csv"):
        write_tables([run_folder], tmp_path / "table.txt")
    with pytest.raises(ConfigError, match="2 tables do not fit into one file"):
        write_tables([run_folder], tmp_path / "table.csv", kinds=["exponents", "tails"])
    with pytest.raises(ConfigError, match="make the tables of runs first, then claims from them"):
        write_tables([run_folder], tmp_path, kinds=["exponents", "claims"])


def test_tails_have_the_run_s_columns_first(make_run):
    folders = [make_run({"seed": seed}) for seed in (0, 1)]
    table = tails_table(read_runs(folders))
    assert list(table) == ["run", "group", *SETTING_COLUMNS, *list(RUN_COLUMNS)[2:], *WINDOW_COLUMNS, *TAIL_COLUMNS]
    assert table["quantity"].tolist() == list(QUANTITIES) * 6  # 2 runs of 3 windows
    own = pd.read_csv(folders[1] / "tails.csv")
    assert table["values"].tolist()[3 * len(QUANTITIES) :] == own["values"].tolist()


def test_seeds_are_averaged_and_groups_kept_apart(make_run):
    folders = [make_run({"seed": seed, "training.batch_size": size}) for size in (32, 64) for seed in (0, 1, 2)]
    runs = read_runs(folders)
    table = ensemble_table(runs)
    assert table["group"].tolist() == [runs[0].group] * 3 + [runs[3].group] * 3
    assert runs[0].group != runs[3].group
    assert table["batch_size"].tolist() == [32] * 3 + [64] * 3
    assert {"run", "seed", "test_accuracy"}.isdisjoint(table)
    assert table["seeds"].tolist() == [3] * 6
    own = [run.exponents["beta_max"].iloc[1] for run in runs[:3]]
    assert table["beta_max"].iloc[1] == pytest.approx(np.mean(own))
    error = 4.303 * np.std(own, ddof=1) / math.sqrt(3)  # Student's t with 2 degrees of freedom
    assert table["beta_max_high"].iloc[1] == pytest.approx(np.mean(own) + error, rel=1e-3)
    assert table["beta_max_spread"].iloc[1] == pytest.approx(np.std(own, ddof=1))
    assert table["beta_max_seeds"].iloc[1] == 3
    msd = np.array([run.curves["msd"].sel(lag=10).values[1] for run in runs[:3]])
    assert table["ergodicity_breaking_10"].iloc[1] == pytest.approx(msd.var(ddof=1) / msd.mean() ** 2)
    samples = np.array([run.curves["effective_samples"].sel(lag=10).values[1] for run in runs[:3]])
    assert table["ergodicity_breaking_10_if_gaussian"].iloc[1] == pytest.approx(np.mean(2 / samples))
    assert table["ageing_ratio_100"].isna().all()  # windows of 20 have no such lag


def test_a_configuration_is_one_row_of_what_its_seeds_agree_on(make_run):
    folders = [make_run({"seed": seed, "training.batch_size": size}) for size in (32, 64) for seed in (0, 1, 2)]
    folders[2] = make_run({"seed": 7, "training.batch_size": 32}, taken=25, status="diverged", diverged_at=25)
    runs = read_runs(folders)
    table = configuration_table(runs)
    assert table["group"].tolist() == [runs[0].group, runs[3].group]
    assert table[["runs", "diverged"]].values.tolist() == [[3, 1], [3, 0]]
    assert {"run", "seed", "status", "test_accuracy"}.isdisjoint(table)
    for time, window in (("early", 0), ("late", 2)):
        own = [run.exponents["beta_max"].iloc[window] for run in runs[:2]]  # the third diverged
        assert table[f"{time}_beta_max"].iloc[0] == pytest.approx(np.mean(own))
        assert table[f"{time}_beta_max_spread"].iloc[0] == pytest.approx(np.std(own, ddof=1))
        assert table[f"{time}_beta_max_seeds"].tolist() == [2, 3]
        assert table[f"{time}_window"].tolist() == [20 * window] * 2
    assert table["final_test_accuracy"].tolist() == pytest.approx([0.2, 0.2])


def test_a_single_seed_has_a_note_instead_of_a_scatter(make_run):
    table = ensemble_table(read_runs([make_run()]))
    assert table["note"].iloc[0] == "1 seed reached the window; a scatter needs two"
    assert table["beta_max"].notna().all()
    assert table["beta_max_low"].isna().all()


def test_the_command_s_help_names_every_kind_that_it_makes():
    text = CliRunner().invoke(app, ["tables", "--help"], env={"COLUMNS": "200"}).output
    assert [kind for kind, table in TABLES.items() if table.make and kind not in text] == []


def test_an_unknown_table_is_refused(run_folder, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'tails'"):
        write_tables([run_folder], tmp_path / "table.csv", kinds=["tail"])
    write_tables([run_folder], tmp_path / "table.csv", kinds=["ensembles"])
    assert len(pd.read_parquet(tmp_path / "table.parquet")) == 3


@pytest.fixture
def learned(make_run):
    """Finished runs with invented learning."""
    return [write_learning(make_run({"seed": seed})) for seed in (0, 1)]


def test_step_lengths_are_those_of_the_geometry_and_changes_those_of_the_loss(learned):
    run = learned[0]
    series = step_series(run)
    lengths = np.concatenate([run.geometries.read(number).step_lengths for number in range(len(run.windows))])
    np.testing.assert_allclose(series["step_length"], lengths)
    losses = run.geometries.point_series("loss", 0)
    np.testing.assert_allclose(series["loss_change"][: len(losses) - 1], np.abs(np.diff(losses)))
    rows = step_relations(learned)
    assert [row["among"] for row in rows] == [run.name for run in learned for _ in range(2)] + ["all", "all"]


def test_windows_of_learning_stand_beside_the_exponents_of_the_same_windows(learned):
    table = learning_windows_table(learned)
    assert len(table) == 6
    assert table["roughness_exponent"].isna().all()
    assert table["beta_max"].tolist() == [value for run in learned for value in run.exponents["beta_max"]]
    rows = window_relations(table.assign(modes_in_transition=table["beta_max"]))
    assert set(rows[0]) == set(RELATION_COLUMNS)
    assert rows[0]["value"] == pytest.approx(1)
    assert [row["note"] != "" for row in rows][2:4] == [True, True]


def test_tables_of_learning_are_read_from_a_runs_folder(learned):
    run, again = learned[0], read_run(learned[0].folder)
    assert again.has_learning
    pd.testing.assert_frame_equal(again.learning, run.learning, check_dtype=False)
    assert again.learning_windows["modes_in_transition"].tolist() == run.learning_windows["modes_in_transition"].tolist()


def test_the_landscape_beside_a_window_is_that_of_the_path_at_its_points(learned, monkeypatch):
    run = learned[0]
    (run.folder / "landscape").mkdir()
    (run.folder / "landscape" / "roughness.csv").touch()
    points = [(0, "path", 1.2, 0.5), (0, "path", 1.6, 0.7), (0, "random", 9.0, 9.0), (2, "path", 2.0, np.nan)]
    points = pd.DataFrame(points, columns=["window", "directions", "roughness_exponent", "sharpness"])
    monkeypatch.setattr(table_makers, "landscape_rows", lambda folder, exponents: points)
    table = learning_window_rows(run)
    assert table["roughness_exponent"].tolist() == pytest.approx([1.4, np.nan, 2.0], nan_ok=True)
    assert table["sharpness"].tolist() == pytest.approx([0.6, np.nan, np.nan], nan_ok=True)


def test_runs_without_learning_have_no_rows_and_none_at_all_is_an_error_in_a_line(learned, make_run):
    bare = read_run(make_run({"seed": 2}))
    table = learning_table([bare, *learned])
    assert table["run"].unique().tolist() == [run.name for run in learned]
    with pytest.raises(StoreMissingError, match=r"learning\.csv: no such table; make it with: anodiff learning"):
        learning_table([bare])


def test_the_table_of_parts_has_the_rows_of_the_runs_that_have_parts_behind_the_runs_columns(make_run):
    with_them, without = make_run({"seed": 0}), make_run({"seed": 1})
    measured = write_parts(with_them, groups=("a,b", "NA")).parts
    table = tables.parts_table(read_runs([with_them, without]))
    assert table["run"].unique().tolist() == [with_them.name]
    assert table["part"].unique().tolist() == ["whole", "a,b", "NA", "gradient", "preconditioned", "decay"]
    assert list(table)[-len(PART_COLUMNS) :] == list(PART_COLUMNS)
    assert table["parameters"].unique().tolist() == [30]
    assert table["beta_long"].tolist() == pytest.approx(measured["beta_long"].tolist(), nan_ok=True)
    with pytest.raises(StoreMissingError, match=r"anodiff parts .*geometry\.zarr"):
        tables.parts_table(read_runs([without]))
