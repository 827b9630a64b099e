"""A result is published whole, or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from anodiff import errors
from anodiff.errors import AnodiffError, IncompleteStoreError, OutputExistsError, StorageError, StoreFormatError
from anodiff.storage.files import sync_files
from anodiff.storage.stores import (
    COMPLETE,
    create_store,
    discard,
    finish_store,
    open_group,
    open_store,
    publish,
    read_attributes,
    storage_errors,
    writing,
)


def names(folder):
    return sorted(entry.name for entry in Path(folder).iterdir())


@pytest.fixture
def folder(tmp_path):
    """A folder of one file, to be published."""
    made = tmp_path / "scratch" / "made"
    made.mkdir(parents=True)
    (made / "a").write_text("content")
    return made


@pytest.fixture
def other_file_system(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as elsewhere:
        if Path(elsewhere).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no second file system to write to")
        yield Path(elsewhere)


@pytest.mark.parametrize(
    ("kind", "built_in"),
    [
        ("ConfigError", ValueError),
        ("DatasetMissingError", FileNotFoundError),
        ("StoreMissingError", FileNotFoundError),
        ("StoreFormatError", ValueError),
        ("IncompleteStoreError", ValueError),
        ("OutputExistsError", FileExistsError),
        ("StorageError", OSError),
        ("RunLockedError", BlockingIOError),
        ("Interrupted", InterruptedError),
    ],
)
def test_every_error_is_also_the_matching_built_in(kind, built_in):
    assert issubclass(getattr(errors, kind), AnodiffError)
    assert issubclass(getattr(errors, kind), built_in)


def test_a_store_counts_as_finished_only_after_finish_store(tmp_path):
    group = create_store(tmp_path / "s.zarr", "anodiff sample", 3, {"colour": "red"})
    with pytest.raises(IncompleteStoreError, match=r"s\.zarr: its writer has not finished"):
        open_store(tmp_path / "s.zarr", "anodiff sample", 3)
    finish_store(group, COMPLETE, number=7)
    opened = dict(open_store(tmp_path / "s.zarr", "anodiff sample", 3).attrs)
    assert opened.pop("checksums")["files"] == {}
    assert opened == {
        "kind": "anodiff sample", "format_version": 3, "status": "complete", "colour": "red", "number": 7
    }  # fmt: skip


def test_a_group_of_zarrs_older_format_is_no_store(tmp_path):
    """Its arrays may name codecs that execute what they read."""
    zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
    with pytest.raises(StoreFormatError, match="not a Zarr group"):
        open_group(tmp_path / "old.zarr")


def test_a_new_store_holds_nothing_of_an_unfinished_one(tmp_path):
    create_store(tmp_path / "s.zarr", "anodiff sample", 1, {"old": True}).create_array("old", data=np.ones(3))
    group = create_store(tmp_path / "s.zarr", "anodiff sample", 1, {})
    assert "old" not in group
    assert "old" not in group.attrs


def test_publishing_is_one_rename(folder, tmp_path, monkeypatch):
    renamed, copied = [], []
    monkeypatch.setattr(shutil, "copytree", lambda *arguments: copied.append(arguments))
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *arguments: (renamed.append(arguments), rename(*arguments)))
    inode = (folder / "a").stat().st_ino
    publish(folder, tmp_path / "results" / "run" / "made")
    assert (len(renamed), copied) == (1, [])
    assert (tmp_path / "results/run/made/a").stat().st_ino == inode
    assert not folder.exists()


def test_publishing_across_file_systems_leaves_the_whole_store_and_nothing_else(folder, other_file_system):
    leftover = other_file_system / ".made.0123abcd.partial"  # of an earlier attempt that was killed
    leftover.mkdir()
    (leftover / "b").touch()
    publish(folder, other_file_system / "made")
    assert names(other_file_system) == ["made"]
    assert names(other_file_system / "made") == ["a"]
    assert (other_file_system / "made" / "a").read_text() == "content"
    assert not folder.exists()


def test_the_destination_appears_only_when_all_is_copied(folder, other_file_system, monkeypatch):
    def fail(source, destination):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", fail)
    with pytest.raises(OSError, match="No space"):
        publish(folder, other_file_system / "made")
    assert not (other_file_system / "made").exists()
    assert names(folder) == ["a"]


def test_a_folder_is_discarded_by_a_rename_first(folder, monkeypatch):
    """A kill during removal must not leave half a folder under the name of a whole one."""

    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            discard(folder)
    assert names(folder.parent) == [".made.discarded"]
    folder.mkdir()
    discard(folder)
    discard(folder)
    assert names(folder.parent) == []


def test_files_are_synced_once_for_each_change(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "b").touch()
    synced = sync_files(folder)
    assert {path.name for path, _ in synced} == {"a", "b"}
    assert sync_files(folder, synced) == set()
    os.utime(folder / "a", (1, 1))
    assert {path.name for path, _ in sync_files(folder, synced)} == {"a"}


def test_publishing_refuses_to_replace(folder, tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(OutputExistsError, match=r"made already exists; remove it, or add --overwrite$"):
        publish(folder, tmp_path / "made")
    assert (names(folder), names(tmp_path / "made")) == (["a"], [])


def write_file(path, content):
    path.write_text(content)


def write_store(path, content):
    zarr.create_group(path).attrs["content"] = content


def fail_after(done):
    raise ZeroDivisionError


@pytest.mark.parametrize("write", [write_file, write_store])
class TestWriting:
    def test_the_output_does_not_exist_before_the_end(self, tmp_path, write):
        output = tmp_path / "new" / "output"
        with writing(output) as temporary:
            write(temporary, "new")
            assert not output.exists()
            assert temporary.parent == output.parent
        assert names(tmp_path / "new") == ["output"]

    def test_a_failure_leaves_nothing(self, tmp_path, write):
        with pytest.raises(ZeroDivisionError), writing(tmp_path / "output") as temporary:
            fail_after(write(temporary, "half"))
        assert names(tmp_path) == []

    def test_leftovers_of_a_killed_attempt_are_not_in_the_next(self, tmp_path, write):
        for leftover in (write_file, write_store):
            leftover(tmp_path / ".output.0123abcd.partial", "half")
            with writing(tmp_path / "output", overwrite=True) as temporary:
                assert not temporary.exists()
                write(temporary, "new")
            assert names(tmp_path) == ["output"]

    def test_a_failure_to_replace_keeps_the_old(self, tmp_path, write):
        write_file(tmp_path / "output", "old")
        with pytest.raises(ZeroDivisionError), writing(tmp_path / "output", overwrite=True) as temporary:
            fail_after(write(temporary, "half"))
        assert names(tmp_path) == ["output"]
        assert (tmp_path / "output").read_text() == "old"

    def test_overwrite_replaces_the_old(self, tmp_path, write):
        write_store(tmp_path / "output", "old")
        with writing(tmp_path / "output", overwrite=True) as temporary:
            write(temporary, "new")
        assert names(tmp_path) == ["output"]
        assert b"new" in (tmp_path / "output" / "zarr.json" if write is write_store else tmp_path / "output").read_bytes()


def test_an_existing_output_is_refused_before_anything_is_computed(tmp_path):
    (tmp_path / "output").touch()
    computed = []
    with pytest.raises(OutputExistsError, match="--overwrite"), writing(tmp_path / "output"):
        computed.append(True)
    assert (computed, names(tmp_path)) == ([], ["output"])


@pytest.mark.parametrize("target", ["folder", "file", "nothing"])
def test_to_overwrite_a_link_replaces_the_link_and_leaves_what_it_points_to(tmp_path, target):
    there, output = tmp_path / "there", tmp_path / "output"
    if target == "folder":
        there.mkdir()
        (there / "a").write_text("old")
    elif target == "file":
        there.write_text("old")
    output.symlink_to(there)
    with pytest.raises(OutputExistsError), writing(output):
        pass
    for made in ("folder", "file"):
        with writing(output, overwrite=True) as temporary:
            temporary.mkdir() if made == "folder" else temporary.write_text("new")
        assert not output.is_symlink()
        assert output.is_dir() == (made == "folder")
    left = {"folder": there / "a", "file": there}.get(target)
    assert left.read_text() == "old" if left else not there.exists()


def test_a_refusal_of_the_file_system_is_one_line_with_its_reason(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file.*; nothing was published") as refused, writing(tmp_path / "file" / "output"):
        pass
    assert "\n" not in str(refused.value)


def test_the_users_mistakes_pass_through_storage_errors_unchanged(tmp_path):
    with pytest.raises(OutputExistsError), storage_errors(tmp_path):
        raise OutputExistsError("as it was")


ON_A_FULL_DISK = """
import sys
from pathlib import Path

import numpy as np
import zarr

from anodiff.errors import StorageError
from anodiff.storage.stores import publish, storage_errors, writing

def a_file(path):
    path.write_bytes(bytes(2**21))

def a_store(path):
    zarr.create_group(path).create_array("noise", data=np.random.default_rng(0).random(2**18), chunks=(2**14,))

def from_another_file_system(path):
    (Path(sys.argv[2]) / "made").mkdir()
    for name in ("one", "two"):
        a_file(Path(sys.argv[2]) / "made" / name)
    with storage_errors(path):
        publish(Path(sys.argv[2]) / "made", path)

folder = Path(sys.argv[1])
for write in (a_file, a_store, from_another_file_system):
    try:
        if write is from_another_file_system:
            write(folder / "output")
        else:
            with writing(folder / "output") as temporary:
                write(temporary)
    except StorageError as error:
        print(f"{write.__name__}|{error}|{sorted(entry.name for entry in folder.iterdir())}")
assert sum(file.stat().st_size for file in (Path(sys.argv[2]) / "made").iterdir()) == 2 * 2**21
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    full, elsewhere = tmp_path / "full", tmp_path / "elsewhere"
    full.mkdir()
    elsewhere.mkdir()
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1"'
    isolated = ["unshare", "-rm", "sh", "-ec"]
    if not shutil.which("unshare") or subprocess.run([*isolated, mount, "sh", full], capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    command = [*isolated, mount + '; exec "$2" -c "$3" "$1" "$4"', "sh", full, sys.executable, ON_A_FULL_DISK, elsewhere]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    lines = [line.split("|") for line in finished.stdout.splitlines()]
    assert [line[0] for line in lines] == ["a_file", "a_store", "from_another_file_system"]
    for _, message, left in lines:
        assert message.startswith(f"{full}/")
        assert message.count("No space left on device") == 1
        assert message.endswith("; nothing was published; free some space and run this again")
        assert left == "[]"


def test_attributes_read_from_their_file_alone_are_those_that_zarr_reads(tmp_path):
    group = create_store(tmp_path / "a.zarr", "anodiff test", 1, {"settings": {"rate": 0.1}, "note": "β > 1"})
    finish_store(group, steps=3)
    assert read_attributes(tmp_path / "a.zarr") == dict(zarr.open_group(tmp_path / "a.zarr", mode="r").attrs)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"node_type": "array"}'])
def test_attributes_of_what_is_not_a_group_are_refused(content, tmp_path):
    with pytest.raises(errors.StoreMissingError):
        read_attributes(tmp_path / "a.zarr")
    (tmp_path / "a.zarr").mkdir()
    if content is not None:
        (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    with pytest.raises(errors.StoreFormatError):
        read_attributes(tmp_path / "a.zarr")
