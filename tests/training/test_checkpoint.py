"""A checkpoint is whole or not used, and it is used by the run that wrote it alone."""

import os
import resource

import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.training.checkpoint import checkpoints, newest_checkpoint, refuse_other_settings, write_checkpoint


@pytest.fixture
def told():
    return []


def state(number):
    return {"number": number, "weights": torch.full((1000,), float(number)), "nested": {"none": None, "pair": (1, 2.5)}}


def test_what_was_written_last_is_read(tmp_path, told):
    for step in (3, 10, 200):
        write_checkpoint(tmp_path, step, state(step))
    found = newest_checkpoint(tmp_path, told.append)
    assert {key: found[key] for key in ("number", "nested")} == {"number": 200, "nested": {"none": None, "pair": (1, 2.5)}}
    assert torch.equal(found["weights"], torch.full((1000,), 200.0))
    assert told == []


def test_only_the_newest_and_the_one_before_are_kept(tmp_path):
    for step in (3, 10, 200, 1000):
        write_checkpoint(tmp_path, step, state(step))
    assert [int(path.name[:12]) for path in checkpoints(tmp_path)] == [200, 1000]
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_is_found_where_nothing_is(tmp_path, told):
    assert newest_checkpoint(tmp_path / "checkpoints", told.append) is None
    assert told == []


def flip_a_byte(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0, 500, -700, -1], ids=str)
def test_a_flipped_byte_is_noticed_and_the_one_before_is_read(tmp_path, told, place):
    write_checkpoint(tmp_path, 1, state(1))
    newest = write_checkpoint(tmp_path, 2, state(2))
    flip_a_byte(newest, place)
    assert newest_checkpoint(tmp_path, told.append)["number"] == 1
    assert told == [f"{newest} is damaged; falling back to the one before"]


def test_a_file_cut_short_is_noticed(tmp_path, told):
    write_checkpoint(tmp_path, 1, state(1))
    newest = write_checkpoint(tmp_path, 2, state(2))
    os.truncate(newest, newest.stat().st_size // 2)
    assert newest_checkpoint(tmp_path, told.append)["number"] == 1


def test_a_damaged_one_does_not_outlive_the_next_that_is_written(tmp_path, told):
    write_checkpoint(tmp_path, 1, state(1))
    flip_a_byte(write_checkpoint(tmp_path, 9, state(9)), 100)
    write_checkpoint(tmp_path, 5, state(5))
    assert [int(path.name[:12]) for path in checkpoints(tmp_path)] == [1, 5]
    assert newest_checkpoint(tmp_path, told.append)["number"] == 5
    assert told == []


def test_where_all_are_damaged_training_begins_anew_and_says_so(tmp_path, told):
    for step in (1, 2):
        flip_a_byte(write_checkpoint(tmp_path, step, state(step)), 100)
    assert newest_checkpoint(tmp_path, told.append) is None
    assert len(told) == 3
    assert told[-1] == f"no whole checkpoint is left in {tmp_path}; beginning anew"


def test_a_half_written_one_is_never_read(tmp_path, told):
    write_checkpoint(tmp_path, 1, state(1))
    (tmp_path / ".partial").write_bytes(b"half")
    assert newest_checkpoint(tmp_path, told.append)["number"] == 1
    assert not (tmp_path / ".partial").exists()


def test_a_refusal_of_the_file_system_is_its_own_error_and_leaves_what_was_there(tmp_path):
    write_checkpoint(tmp_path, 1, state(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint(tmp_path, 2, state(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [int(path.name[:12]) for path in tmp_path.iterdir()] == [1]


class Exploit:
    def __reduce__(self):
        return os.mkdir, ("/nowhere/at/all",)


def test_nothing_in_a_checkpoint_is_executed(tmp_path, told):
    write_checkpoint(tmp_path, 1, {"code": Exploit()})
    assert newest_checkpoint(tmp_path, told.append) is None
    assert "damaged" in told[0]


def test_another_format_is_refused_with_both_versions(tmp_path, told):
    write_checkpoint(tmp_path, 1, {"version": 0})
    with pytest.raises(ConfigError, match=r"checkpoint format 0, this anodiff reads 2; .*--restart"):
        newest_checkpoint(tmp_path, told.append)


def test_other_settings_are_refused_with_key_and_both_values(tmp_path):
    there = {"optimiser": {"learning_rate": 0.1, "name": "sgd"}, "seed": 0}
    refuse_other_settings(tmp_path, there, there)
    here = {"optimiser": {"learning_rate": 0.2, "name": "sgd"}, "seed": 0}
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rate is 0\.1 there and 0\.2 here; .*--restart") as refused:
        refuse_other_settings(tmp_path, there, here)
    assert "name" not in str(refused.value)
    assert "\n" not in str(refused.value)
