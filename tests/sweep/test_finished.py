"""A finished path, and a table, say themselves whether they must be made again."""

import json

import pytest

from anodiff.settings.run import RunSettings
from anodiff.storage.files import LONG_AGO
from anodiff.sweep.finished import why_gather, why_train, write_mark

SETTINGS = RunSettings.model_validate({"data": "digits", "model": "mlp3", "training": {"batch_size": 64, "steps": 2}})


@pytest.fixture
def store(record_path):
    return record_path([[0.0], [1.0], [2.0]], attributes={"settings": SETTINGS.model_dump(mode="json")})


def change_attributes(store, change):
    path = store / "zarr.json"
    content = json.loads(path.read_text())
    change(content["attributes"])
    path.write_text(json.dumps(content))


def test_a_finished_path_with_the_same_settings_is_not_trained_again(store):
    assert why_train(store, SETTINGS) == ""


def test_a_diverged_path_is_finished(store):
    change_attributes(store, lambda attributes: attributes.update(status="diverged"))
    assert why_train(store, SETTINGS) == ""


def test_a_setting_that_did_not_exist_then_had_its_default(store):
    change_attributes(store, lambda attributes: attributes["settings"]["training"].pop("drop_last"))
    assert why_train(store, SETTINGS) == ""
    dropping = SETTINGS.model_copy(update={"training": SETTINGS.training.model_copy(update={"drop_last": True})})
    assert why_train(store, dropping).endswith("other settings: training.drop_last is False there and True here")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda attributes: attributes["settings"].update(seed=3), "other settings: seed is 3 there and 0 here"),
        (lambda attributes: attributes["settings"].update(sed=3), "other settings: sed is 3 there and None here"),
        (lambda attributes: attributes.pop("settings"), "other settings: "),
        (lambda attributes: attributes.update(status="running"), "its writer has not finished"),
        (lambda attributes: attributes.pop("status"), "its writer has not finished"),
        (lambda attributes: attributes.update(format_version=0), "format version 0, this anodiff writes version "),
        (lambda attributes: attributes.update(kind="anodiff geometry"), "no store of a path"),
    ],
)
def test_any_other_path_is_trained_again_and_the_reason_given(store, change, said):
    change_attributes(store, change)
    assert said in why_train(store, SETTINGS)


def test_a_path_that_is_missing_or_no_store_is_trained_again(store, tmp_path):
    assert why_train(tmp_path / "nothing.zarr", SETTINGS) == "there is no nothing.zarr"
    (store / "zarr.json").write_text("{")
    assert "not the metadata of a Zarr group" in why_train(store, SETTINGS)


def test_a_table_is_made_again_if_it_has_other_runs(tmp_path):
    table = tmp_path / "exponents.csv"
    assert why_gather(table, ["a", "b"]) == ""
    table.write_text("run,window,beta\na,0,1.0\na,1,1.1\nb,0,1.2\n")
    assert why_gather(table, ["b", "a"]) == ""
    assert why_gather(table, ["a"]) == f"{table}: 1 run no longer in the config, such as b"
    assert why_gather(table, ["a", "b", "c", "d"]) == f"{table}: 2 runs missing, such as c"
    table.write_text("nonsense\n1\n")
    assert why_gather(table, ["a"]) == f"{table}: no table of runs"


def test_a_mark_is_old_unless_there_is_a_reason_and_its_content_follows_both(tmp_path):
    mark = tmp_path / "marks" / "run"
    write_mark(mark, "seed: 0", "")
    assert (mark.stat().st_mtime, mark.read_text()) == (LONG_AGO, "seed: 0\n\n")
    write_mark(mark, "seed: 0", "other settings")
    assert mark.stat().st_mtime > LONG_AGO
    assert mark.read_text() == "seed: 0\nother settings\n"
    write_mark(mark, "seed: 0", "")
    assert (mark.stat().st_mtime, mark.read_text()) == (LONG_AGO, "seed: 0\n\n")
    assert [path.name for path in mark.parent.iterdir()] == ["run"]
