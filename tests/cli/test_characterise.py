"""`anodiff characterise` writes a table and figures of somebody's tracks, or one line."""

import re
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from anodiff.cli import app
from anodiff.errors import AnodiffError
from anodiff.inference.answers.weights import write_network
from anodiff.inference.cells import KINDS
from anodiff.inference.characters import characterise
from anodiff.inference.file_characters import FILE_CHARACTERS
from anodiff.inference.networks.pyramid import Pyramid
from anodiff.report.figures.tracks.catalogue import TRACK_FIGURES
from anodiff.storage.tables import read_table

SETTINGS = {"width": 4, "levels": 3, "hidden": 8}


def write_weights(path, dimensions):
    """A network of random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Pyramid(dimensions, **SETTINGS)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    write_network(network, {"network": "pyramid", "dimensions": dimensions, "settings": SETTINGS}, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """tracks.csv, of which track 1 is too short, track 2 has a gap and track 3 stands still, and weights."""
    folder = tmp_path_factory.mktemp("tracks")
    rows = [
        {"particle": particle, "frame": frame, "x": place[0], "y": place[1]}
        for particle, points in enumerate((30, 9, 50, 12, 20))
        for frame, place in enumerate(walk(points, particle) * (particle != 3))
        if (particle, frame) != (2, 20)
    ]
    pd.DataFrame(rows).to_csv(folder / "tracks.csv", index=False)
    for dimensions in (1, 2):
        write_weights(folder / f"{dimensions}d.safetensors", dimensions)
    return folder


def walk(points, seed):
    return np.random.default_rng(seed).normal(size=(points, 2)).cumsum(axis=0)


def run(folder, *arguments, weights="2d.safetensors"):
    app(["characterise", *map(str, arguments), "--weights", str(folder / weights)], standalone_mode=False)


def refused(folder, *arguments, **options):
    with pytest.raises(AnodiffError) as error:
        run(folder, *arguments, **options)
    assert error.value.exit_status == 2
    return str(error.value)


@pytest.fixture(scope="module")
def written(folder):
    run(folder, folder / "tracks.csv", "-o", folder / "out")
    return folder / "out"


def test_a_row_for_each_part_has_what_the_network_says_of_it(folder, written):
    table = read_table(written / "characters.csv", keep_default_na=False, na_values={"exponent": [""]})
    assert list(table) == list(FILE_CHARACTERS)
    found = table[["track", "part", "first_frame", "points"]].to_numpy().tolist()
    assert found == [[0, 1, 0, 30], [1, 1, 0, 9], [2, 1, 0, 20], [2, 2, 21, 29], [3, 1, 0, 12], [4, 1, 0, 20]]
    parts = [walk(30, 0), walk(50, 2)[:20], walk(50, 2)[21:], walk(20, 4)]
    expected = characterise(parts, weights=folder / "2d.safetensors")
    answered = table[table["exponent"].notna()]
    for column in ("exponent", "exponent_low", "exponent_high", *KINDS):
        np.testing.assert_allclose(answered[column].astype(float), expected[column], rtol=1e-5)
    assert table["flags"].tolist() == [
        *("not calibrated", "fewer than 10 points"),
        *2 * ["not calibrated"],
        "does not move",
        "not calibrated",
    ]


def test_the_folder_has_figures_and_their_captions(written):
    captions = (written / "figures.md").read_text()
    for kind, described in TRACK_FIGURES.items():
        assert f"({kind}.svg)\n\n{described.caption}" in captions
    examples = (written / "examples.svg").read_text()
    assert "<!-- x (unit of the file) -->" in examples
    assert "<!-- α = " in examples
    assert {path.name for path in written.iterdir() if not path.name.startswith(".")} == {
        *(f"{kind}.svg" for kind in TRACK_FIGURES),
        *("characters.csv", "characters.csv.sha256", "figures.md"),
    }


def test_the_summary_says_what_was_read_and_left_out(folder, tmp_path, capsys):
    run(folder, folder / "tracks.csv", "-o", tmp_path / "only.parquet")
    said = capsys.readouterr().err
    for part in (
        "tracks.csv: 5 tracks in 6 parts; x, y",
        "1 gap in the frames of 1 track: split there",
        "2 parts without an answer: 1 fewer than 10 points, 1 does not move",
        "median of α over 4 parts: ",
        "most likely kinds: attm ",
        f"written: {tmp_path / 'only.parquet'}",
    ):
        assert part in said
    schema = pq.read_schema(tmp_path / "only.parquet")
    assert schema.names == list(FILE_CHARACTERS)
    assert schema.field("first_frame").metadata[b"unit"] == b"frames"
    assert not list(tmp_path.glob("*.svg"))


def test_one_dimension_is_drawn_against_time(folder, tmp_path):
    np.save(tmp_path / "line.npy", walk(40, 0)[:, 0])
    run(folder, tmp_path / "line.npy", "-o", tmp_path / "out", "--unit", "µm", weights="1d.safetensors")
    examples = (tmp_path / "out" / "examples.svg").read_text()
    assert "<!-- steps since the first point -->" in examples
    assert "<!-- x (µm) -->" in examples


def test_an_output_is_replaced_only_on_demand_and_never_the_tracks(folder, written, tmp_path):
    (written / "mine.txt").touch()
    assert "already exists" in refused(folder, folder / "tracks.csv", "-o", written)
    run(folder, folder / "tracks.csv", "-o", written, "--overwrite", "--formats", "")
    assert (written / "mine.txt").exists()
    (written / "mine.txt").unlink()
    tracks = shutil.copy(folder / "tracks.csv", tmp_path)
    assert "the tracks are read from it" in refused(folder, tracks, "-o", tracks, "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "a" * 300), "File name too long"),
        (("-o", "a.xlsx"), "name a table, which ends in .csv or .parquet, or a folder"),
        (("--formats", "bmp"), "--formats bmp: a figure's format is one of svg, pdf, png"),
        (("--columns", "particle"), "--columns particle: write pairs such as particle=id,frame=t"),
        (("--columns", "x=a,x=b"), "x is named twice"),
        (("--columns", "x=a"), "no column 'a'"),
        (("--coordinates", "x"), "a network for tracks of 2 dimensions; these have 1"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(folder, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(folder, folder / "tracks.csv", *arguments)
    assert not list(tmp_path.iterdir())


def test_tracks_that_cannot_be_read_are_one_line(folder, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros((3, 9, 2)))
    assert "no track has 10 points without a gap" in refused(folder, tmp_path / "short.npy")
    np.save(tmp_path / "still.npy", np.zeros((3, 10, 2)))
    assert "no track of 10 points or more moves" in refused(folder, tmp_path / "still.npy")


def test_missing_foreign_and_damaged_weights_are_one_line(folder, tmp_path):
    def said():
        return refused(folder, folder / "tracks.csv", "-o", tmp_path / "out", weights=tmp_path / "2d.safetensors")

    assert "no such file" in said()
    shutil.copy(folder / "2d.safetensors", tmp_path)
    assert re.search("2d.json: no such file; a network needs its weights and its card", said())
    card = tmp_path / "2d.json"
    card.write_text("{}")
    assert "not the card of a network" in said()
    card.write_text("weights")
    assert "not JSON" in said()
    shutil.copy(folder / "2d.json", card)
    content = bytearray((tmp_path / "2d.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "2d.safetensors").write_bytes(content)
    assert "its digest is not the card's" in said()
    assert not (tmp_path / "out").exists()
