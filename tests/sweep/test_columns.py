from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from anodiff.sweep.columns import COLUMNS, OF_NO_RUN, RUN_COLUMNS, reference, unit, write_parquet
from anodiff.sweep.tables import TABLES, write_tables

FORMAT = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.mark.parametrize("kind", COLUMNS)
def test_the_documentation_describes_each_table_as_the_code_does(kind):
    missing = [line for line in reference(kind) if line not in FORMAT.read_text(encoding="utf-8").splitlines()]
    command = f"python -c \"from anodiff.sweep.columns import *; print(*reference('{kind}'), sep='\\n')\""
    assert not missing, f"docs/format.md lacks lines of the table that this prints: {command}"


@pytest.mark.parametrize("kind", [kind for kind in TABLES if kind != "landscape"])
def test_every_column_of_a_parquet_file_has_its_meaning_and_unit(make_run, tmp_path, kind):
    folders = [make_run({"seed": seed, "optimiser.momentum": momentum}) for seed in (0, 1) for momentum in (0.0, 0.5)]
    written = write_tables(folders, tmp_path / "table.csv", kind=kind)
    schema = pq.read_schema(tmp_path / "table.parquet")
    assert schema.names == list(written) == list(pd.read_csv(tmp_path / "table.csv"))
    for field in schema:
        assert field.metadata[b"description"], field.name
        assert field.metadata[b"unit"], field.name
    settings = [field.name for field in schema if b"the run's setting" in field.metadata[b"description"]]
    assert settings == ["optimiser.momentum"]  # all others are explained by themselves
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), written, check_dtype=False)


def test_the_units_are_those_of_each_table(tmp_path):
    assert unit("exponents", "crossover_lag_high") == unit("exponents", "fit_to") == "optimiser steps"
    assert unit("landscape", "fit_to") == "weight"
    assert unit("exponents", "beta_max_low") == "1"
    assert unit("ensembles", "crossover_lag_spread") == "optimiser steps"
    assert unit("ensembles", "crossover_lag_seeds") == "count"
    write_parquet(pd.DataFrame({"verdict": ["supports"]}), tmp_path / "claims.parquet", "claims")
    about = pq.read_schema(tmp_path / "claims.parquet").field("verdict").metadata
    assert about == {b"description": COLUMNS["claims"]["verdict"].encode(), b"unit": b"text"}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_words_are_said_to_be_text_and_no_others(kind):
    texts = {column for column in RUN_COLUMNS | COLUMNS[kind] if unit(kind, column) == "text"}
    words = {"run", "group", "status", "note", "flags", "quantity", "tail_note", "directions", "kind", "setting"}
    words |= {"title", "part", "measure", "test", "verdict"} if kind in OF_NO_RUN else set()
    assert texts <= words
