"""Coordinates of a run are read whole, beside their nulls, or have a reason why not.

The networks have random weights, since what they answer does not matter here.
"""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.stats
import torch

from anodiff.cli import app
from anodiff.errors import StoreMissingError
from anodiff.geometry import compute_geometry, open_geometry, path_geometry
from anodiff.inference.answers.reader import TrackReader
from anodiff.inference.answers.weights import write_network
from anodiff.inference.cells import KINDS
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.inference.runs.character_columns import CHARACTER_COLUMNS
from anodiff.inference.runs.run_characters import compute_characters, run_characters
from anodiff.inference.runs.window_characters import coordinate_names, window_rows
from anodiff.inference.runs.window_tracks import window_tracks
from anodiff.settings.stages import CharacterSettings
from anodiff.storage.tables import read_table
from anodiff.sweep.results import read_run
from anodiff.sweep.tables import write_tables
from anodiff.trajectory import Window

SIZES = {"width": 4, "levels": 3, "hidden": 8}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of networks of random weights, in one and two dimensions."""
    folder = tmp_path_factory.mktemp("weights")
    for dimensions in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(dimensions)
            network = Pyramid(dimensions, **SIZES)
            for parameter in network.parameters():
                torch.nn.init.normal_(parameter, std=0.3)
        card = {"network": "pyramid", "dimensions": dimensions, "settings": SIZES}
        write_network(network, card, folder / f"{dimensions}d.safetensors")
    return folder


@pytest.fixture(scope="module")
def readers(weights):
    return [TrackReader.load(dimensions, weights / f"{dimensions}d.safetensors") for dimensions in (1, 2)]


def settings(**changes):
    return CharacterSettings(**{"projections": 5, "components": 3, "nulls": 4} | changes)


def walk(updates, dimensions=20, seed=0):
    steps = np.random.default_rng(seed).normal(size=(updates, dimensions))
    return np.vstack([np.zeros(dimensions), steps.cumsum(axis=0)])


def by_coordinate(rows):
    return {row["coordinate"]: row for row in rows}


def test_a_window_has_a_row_for_each_sort_of_coordinate(readers):
    tracks = window_tracks(path_geometry(walk(30)), settings(), 0)
    rows = by_coordinate(window_rows(tracks, 3, *readers))
    assert list(rows) == coordinate_names(3)
    assert {name: row["tracks"] for name, row in rows.items()} == dict.fromkeys(rows, 1) | {"random": 5, "random_pair": 2}
    single = readers[0].read(tracks.random[:, None])
    assert rows["random"]["exponent"] == pytest.approx(np.median(single.exponent), abs=1e-4)
    assert [rows["random"][kind] for kind in KINDS] == pytest.approx(single.kinds.mean(axis=0), abs=1e-4)
    pairs = np.stack([tracks.random[:2], tracks.random[2:4]])
    assert rows["random_pair"]["exponent"] == pytest.approx(np.median(readers[1].read(pairs).exponent), abs=1e-4)
    assert "exponent_p_shuffled" not in rows["random"]


def test_p_counts_draws_with_at_least_the_exponent_and_the_window_itself(readers):
    tracks = window_tracks(path_geometry(walk(40)), settings(nulls=9), 0)
    row = by_coordinate(window_rows(tracks, 3, *readers))["principal_2"]
    drawn = readers[0].read(tracks.shuffled[:, 1:2]).exponent
    own = readers[0].read(tracks.principal[None, 1:2]).exponent[0]
    assert row["exponent_shuffled"] == pytest.approx(np.median(drawn), abs=1e-4)
    assert row["exponent_p_shuffled"] == pytest.approx((1 + (drawn >= own).sum()) / 10)


def test_p_is_evenly_spread_if_the_window_is_one_more_draw_of_the_null(readers):
    p = []
    for seed in range(60):
        tracks = window_tracks(path_geometry(walk(15, seed=seed)), settings(components=2, nulls=19), seed)
        rows = by_coordinate(window_rows(tracks, 2, *readers))
        p.append([rows[name][f"exponent_p_{null}"] for name in list(rows)[2:] for null in ("shuffled", "sign_randomised")])
    spread = np.array(p) - np.random.default_rng(0).uniform(0, 0.05, (60, 6))
    assert min(scipy.stats.kstest(column, "uniform").pvalue for column in spread.T) > 0.005


def test_nulls_keep_the_lengths_of_updates_and_the_shuffled_one_the_way_from_end_to_end():
    points = walk(12, dimensions=3)
    path = path_geometry(points)
    tracks = window_tracks(path, settings(), 0)  # three components hold three dimensions whole
    for null in (tracks.shuffled, tracks.sign_randomised):
        lengths = np.sqrt((np.diff(null, axis=2) ** 2).sum(axis=1))
        np.testing.assert_allclose(np.sort(lengths, axis=1), np.sort(path.step_lengths)[None].repeat(4, 0), rtol=1e-3)
    ends = np.linalg.norm(tracks.shuffled[:, :, -1] - tracks.shuffled[:, :, 0], axis=1)
    np.testing.assert_allclose(ends, np.linalg.norm(points[-1] - points[0]), rtol=1e-3)


def test_a_long_window_gives_every_second_point_and_says_so(readers):
    path = path_geometry(walk(1200, dimensions=2))
    tracks = window_tracks(path, settings(components=2, nulls=1), 0)
    assert tracks.every == 2
    assert tracks.points == 601
    np.testing.assert_allclose(tracks.principal, path.principal_coordinates(2).coordinates.T[:, ::2])
    assert by_coordinate(window_rows(tracks, 2, *readers))["random"]["flags"] == "one point in 2"
    assert window_tracks(path_geometry(walk(1000, dimensions=2)), settings(nulls=1), 0).points == 1000


def test_a_path_along_a_line_has_one_principal_coordinate(readers):
    rows = by_coordinate(window_rows(window_tracks(path_geometry(walk(20, dimensions=1)), settings(), 0), 3, *readers))
    assert np.isfinite(rows["principal_1"]["exponent"])
    for name in ("principal_2", "principal_pair"):
        assert rows[name]["flags"] == "the path moves in fewer directions"
        assert "exponent" not in rows[name]


def test_a_window_without_an_answer_says_why(record_path, tmp_path, weights):
    points = walk(50)
    points[30:41] = points[30]
    windows = [Window(0, 30), Window(30, 10), Window(40, 5), Window(45, 10)]
    path = record_path(points, windows, steps=55, status="diverged", diverged_at=50)
    compute_geometry(path, tmp_path / "geometry.zarr")
    table = run_characters(open_geometry(tmp_path / "geometry.zarr"), settings(weights=str(weights)))
    assert list(table) == list(CHARACTER_COLUMNS)
    assert table.groupby("window").size().tolist() == [6] * 4
    assert table.groupby("window")["exponent"].count().tolist() == [6, 0, 0, 0]
    reasons = table.groupby("window")["flags"].first().tolist()
    assert reasons[:3] == ["", "the path does not move", "fewer than 10 points"]
    assert "before the window's end" in reasons[3]


def test_the_table_has_the_same_bits_again_and_other_random_coordinates_with_another_seed(run_folder, weights):
    tables = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        compute_characters(run_folder / "geometry.zarr", run_folder / name, settings(weights=str(weights), seed=seed))
        tables.append((run_folder / name).read_bytes())
    assert tables[0] == tables[1] != tables[2]


def test_the_command_writes_the_table_beside_the_geometry(run_folder, weights):
    given = f"{{projections: 4, nulls: 1, components: 2, weights: {weights}}}"
    app(["characters", str(run_folder / "geometry.zarr"), "--settings", given], standalone_mode=False)
    table = read_table(run_folder / "characters.csv")
    assert table["coordinate"].unique().tolist() == coordinate_names(2)
    assert table.loc[table["coordinate"] == "random", "tracks"].unique().tolist() == [4]


def test_missing_networks_leave_no_table(run_folder, tmp_path):
    with pytest.raises(StoreMissingError, match=r"1d\.safetensors: no such file"):
        compute_characters(run_folder / "geometry.zarr", run_folder / "characters.csv", settings(weights=str(tmp_path)))
    assert not (run_folder / "characters.csv").exists()


def test_the_sweeps_table_repeats_exponent_and_flags_of_the_window(run_folder, weights, tmp_path):
    compute_characters(run_folder / "geometry.zarr", run_folder / "characters.csv", settings(weights=str(weights)))
    run = read_run(run_folder)
    table = write_tables([run_folder], tmp_path / "table.csv", kinds=["characters"])["characters"]
    schema = pq.read_schema(tmp_path / "table.parquet")
    assert all(field.metadata[b"description"] for field in schema)
    assert schema.names == list(table)
    assert len(table) == 6 * len(run.exponents)
    beside = table.drop_duplicates("window").set_index("window")
    expected = run.exponents.set_index("window")
    pd.testing.assert_series_equal(beside["beta_long"], expected["beta_long"])
    assert beside["window_flags"].fillna("").tolist() == expected["flags"].fillna("").tolist()
