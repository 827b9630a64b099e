"""What a table's columns mean: the same in the code, in docs/format.md and in the Parquet files."""

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from invented import write_learning, write_parts

from anodiff.diffusion.jumps import QUANTITIES
from anodiff.inference.file_characters import FILE_CHARACTERS
from anodiff.landscape.roughness_store import ROUGHNESS_COLUMNS
from anodiff.storage.columns import Column, markdown_table, write_parquet
from anodiff.sweep.comparison import COMPARISON_COLUMNS
from anodiff.sweep.published.rows import PUBLISHED_COLUMNS
from anodiff.sweep.published.table import BESIDE_PUBLISHED_COLUMNS
from anodiff.sweep.run_columns import RUN_COLUMNS
from anodiff.sweep.tables import TABLES, reference, write_tables

FORMAT = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
#: A bar within a cell of a Markdown table.
BAR = r"\|"

DOCUMENTED = {f"reference('{kind}')": reference(kind) for kind in TABLES} | {
    "markdown_table(RUN_COLUMNS)": markdown_table(RUN_COLUMNS),
    "markdown_table(ROUGHNESS_COLUMNS)": markdown_table(ROUGHNESS_COLUMNS),
    "markdown_table(COMPARISON_COLUMNS)": markdown_table(COMPARISON_COLUMNS),
    "markdown_table(PUBLISHED_COLUMNS)": markdown_table(PUBLISHED_COLUMNS),
    "markdown_table(BESIDE_PUBLISHED_COLUMNS)": markdown_table(BESIDE_PUBLISHED_COLUMNS),
    "markdown_table(FILE_CHARACTERS)": markdown_table(FILE_CHARACTERS),
}


@pytest.mark.parametrize("call", DOCUMENTED)
def test_the_documentation_has_each_table_of_columns_whole(call):
    imports = "from anodiff.sweep.tables import *; from anodiff.sweep.comparison import *"
    imports += "; from anodiff.landscape.roughness_store import *; from anodiff.inference.file_characters import *"
    imports += "; from anodiff.sweep.published.rows import *; from anodiff.sweep.published.table import *"
    table = "\n".join(DOCUMENTED[call])
    assert f"\n{table}\n\n" in f"{FORMAT}\n", (
        f"docs/format.md lacks the table that this prints: python -c \"{imports}; print(*{call}, sep='\\n')\""
    )


def test_the_documentation_explains_the_quantities_of_tails_as_the_code_does():
    rows = re.search(r"\| quantity .*\n\| --- .*\n((?:\|.*\n)+)", FORMAT)[1].splitlines()
    assert rows == [f"| `{name}` | {meaning.replace('|', BAR)} |" for name, meaning in QUANTITIES.items()]


#: What needs a run's diffusion, and what it learns.
OF_RUNS = [kind for kind, table in TABLES.items() if table.made_from == "runs" and kind not in ("characters", "landscape")]


@pytest.mark.parametrize("kind", OF_RUNS)
def test_a_parquet_file_has_the_meaning_and_unit_of_every_column(make_run, tmp_path, kind):
    folders = [make_run({"seed": seed, "optimiser.momentum": momentum}) for seed in (0, 1) for momentum in (0.0, 0.5)]
    if kind.startswith("learning"):
        for folder in folders:
            write_learning(folder)
    if kind == "parts":
        for folder in folders:
            write_parts(folder)
    written = write_tables(folders, tmp_path / "table.csv", kinds=[kind])[kind]
    schema = pq.read_schema(tmp_path / "table.parquet")
    assert schema.names == list(written) == list(pd.read_csv(tmp_path / "table.csv"))
    for field in schema:
        assert field.metadata[b"description"], field.name
        text = "string" in str(field.type)
        assert (field.metadata[b"unit"] == b"text") == text or written[field.name].isna().all(), field.name
    settings = [field.name for field in schema if b"the run's setting" in field.metadata[b"description"]]
    of_no_run = kind == "learning_relations"
    assert settings == ([] if of_no_run else ["optimiser.momentum"])  # all others are declared
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), written, check_dtype=False)


def test_a_setting_in_words_is_text_and_one_in_numbers_is_not(make_run, tmp_path):
    folders = [make_run(), make_run({"recording.windows": "log", "optimiser.momentum": 0.5})]
    write_tables(folders, tmp_path / "table.csv")
    schema = pq.read_schema(tmp_path / "table.parquet")
    units = [schema.field(key).metadata[b"unit"] for key in ("recording.windows", "optimiser.momentum")]
    assert units == [b"text", b"1"]


def test_both_ends_of_an_interval_have_the_unit_of_its_value():
    for table in TABLES.values():
        for name, column in table.columns.items():
            for end in ("_low", "_high", "_spread"):
                if name + end in table.columns:
                    assert table.columns[name + end].unit == column.unit, name


def test_a_mean_over_seeds_has_the_unit_of_what_it_averages():
    exponents, ensembles = TABLES["exponents"].columns, TABLES["ensembles"].columns
    shared = set(exponents) & set(ensembles) - {"note"}
    assert len(shared) > 10
    assert {name: ensembles[name].unit for name in shared} == {name: exponents[name].unit for name in shared}


def test_metadata_are_those_declared(tmp_path):
    columns = {"length": Column("how long | it is", "m")}
    write_parquet(pd.DataFrame({"length": [1.5]}), tmp_path / "lengths.parquet", columns)
    metadata = pq.read_schema(tmp_path / "lengths.parquet").field("length").metadata
    assert metadata == {b"description": b"how long | it is", b"unit": b"m"}
    assert markdown_table(columns)[2] == r"| `length` | m | how long \| it is |"
