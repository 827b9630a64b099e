"""A checkpoint is used only if it is intact, and only by the run that wrote it."""

import hashlib
import os
import resource

import pytest
import torch

from anodiff.errors import ConfigError
from anodiff.settings.run import RunSettings
from anodiff.training.checkpoint import checkpoints, newest_checkpoint, refuse_other_settings, write_checkpoint


@pytest.fixture
def logged():
    return []


def state(number):
    return {"number": number, "weights": torch.full((1000,), float(number)), "nested": {"none": None, "pair": (1, 2.5)}}


def test_the_newest_checkpoint_is_read(tmp_path, logged):
    for step in (3, 10, 200):
        write_checkpoint(tmp_path, step, state(step))
    found = newest_checkpoint(tmp_path, logged.append)
    assert {key: found[key] for key in ("number", "nested")} == {"number": 200, "nested": {"none": None, "pair": (1, 2.5)}}
    assert torch.equal(found["weights"], torch.full((1000,), 200.0))
    assert logged == []


def test_only_the_newest_two_are_kept(tmp_path):
    for step in (3, 10, 200, 1000):
        write_checkpoint(tmp_path, step, state(step))
    assert [int(path.name[:12]) for path in checkpoints(tmp_path)] == [200, 1000]
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_checkpoint_none_is_found(tmp_path, logged):
    assert newest_checkpoint(tmp_path / "checkpoints", logged.append) is None
    assert logged == []


def flip_a_byte(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0, 500, -700, -1], ids=str)
def test_a_flipped_byte_is_noticed_and_the_previous_one_is_read(tmp_path, logged, place):
    write_checkpoint(tmp_path, 1, state(1))
    newest = write_checkpoint(tmp_path, 2, state(2))
    flip_a_byte(newest, place)
    assert newest_checkpoint(tmp_path, logged.append)["number"] == 1
    assert logged == [f"{newest} is damaged; falling back to the previous one"]


def test_a_file_cut_short_is_noticed(tmp_path, logged):
    write_checkpoint(tmp_path, 1, state(1))
    newest = write_checkpoint(tmp_path, 2, state(2))
    os.truncate(newest, newest.stat().st_size // 2)
    assert newest_checkpoint(tmp_path, logged.append)["number"] == 1


def test_a_damaged_one_is_removed_when_the_next_is_written(tmp_path, logged):
    write_checkpoint(tmp_path, 1, state(1))
    flip_a_byte(write_checkpoint(tmp_path, 9, state(9)), 100)
    write_checkpoint(tmp_path, 5, state(5))
    assert [int(path.name[:12]) for path in checkpoints(tmp_path)] == [1, 5]
    assert newest_checkpoint(tmp_path, logged.append)["number"] == 5
    assert logged == []


def test_if_all_are_damaged_none_is_used_and_the_log_says_so(tmp_path, logged):
    for step in (1, 2):
        flip_a_byte(write_checkpoint(tmp_path, step, state(step)), 100)
    assert newest_checkpoint(tmp_path, logged.append) is None
    assert len(logged) == 3
    assert logged[-1] == f"no intact checkpoint is left in {tmp_path}; starting again from step 0"


def test_a_partial_file_is_never_read(tmp_path, logged):
    write_checkpoint(tmp_path, 1, state(1))
    (tmp_path / ".partial").write_bytes(b"half")
    assert newest_checkpoint(tmp_path, logged.append)["number"] == 1
    assert not (tmp_path / ".partial").exists()


def test_a_full_file_system_raises_its_own_error_and_leaves_earlier_checkpoints(tmp_path):
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


def test_nothing_in_a_checkpoint_is_executed(tmp_path, logged):
    write_checkpoint(tmp_path, 1, {"code": Exploit()})
    assert newest_checkpoint(tmp_path, logged.append) is None
    assert "damaged" in logged[0]


@pytest.mark.parametrize("content", [[1, 2], "text", {"no": "version"}, None], ids=str)
def test_a_right_digest_of_something_else_is_no_checkpoint(tmp_path, logged, content):
    torch.save(content, tmp_path / "foreign")
    digest = hashlib.blake2b((tmp_path / "foreign").read_bytes(), digest_size=16).hexdigest()
    (tmp_path / "foreign").rename(tmp_path / f"{9:012d}-{digest}.pt")
    assert newest_checkpoint(tmp_path, logged.append) is None
    assert len(logged) == 2
    assert digest in logged[0]


def test_another_format_is_refused_with_both_versions(tmp_path, logged):
    write_checkpoint(tmp_path, 1, {"version": 0})
    with pytest.raises(ConfigError, match=r"checkpoint format 0, but this anodiff reads 2; .*--restart"):
        newest_checkpoint(tmp_path, logged.append)


def test_other_settings_are_refused_with_key_and_both_values(tmp_path):
    here = RunSettings.model_validate({"training": {"steps": 4}, "optimiser": {"learning_rate": 0.2}})
    refuse_other_settings(tmp_path, here.model_dump(mode="json"), here)
    there = here.model_dump(mode="json") | {"optimiser": {"learning_rate": 0.1, "name": "sgd"}}
    with pytest.raises(ConfigError, match=r"optimiser\.learning_rate is 0\.1 there and 0\.2 here; .*--restart") as refused:
        refuse_other_settings(tmp_path, there, here)
    assert "name" not in str(refused.value)
    assert "\n" not in str(refused.value)
