"""An interrupted measurement resumes with the parts that are not done."""

import numpy as np
import pytest

from anodiff.storage.resumable import Layout, identity_hash, resumable_store
from anodiff.storage.stores import open_store

KIND, VERSION = "anodiff sample", 1
LAYOUTS = {"square": Layout(("x", "y"), (2, 3), "float64", "x² + y", chunks=(1, 1))}


def measure(output, stop_after=6, identity="a", **options):
    """Measure part by part; return the parts, and stop with an error after some of them."""
    with resumable_store(output, KIND, VERSION, identity, LAYOUTS, [2, 3], {}, **options) as store:
        done = []
        for part in store.pending:
            if len(done) == stop_after:
                raise KeyboardInterrupt
            store.write("square", part, part[0] ** 2 + part[1])
            store.mark_done(part)
            done.append(part)
    return done


def interrupted(output, **options):
    with pytest.raises(KeyboardInterrupt):
        measure(output, **options)
    assert not output.exists()


def values(output):
    return np.asarray(open_store(output, KIND, VERSION)["square"][...])


def test_only_pending_parts_are_measured_after_an_interruption(tmp_path):
    interrupted(tmp_path / "s.zarr", stop_after=4)
    assert measure(tmp_path / "s.zarr") == [(1, 1), (1, 2)]
    np.testing.assert_array_equal(values(tmp_path / "s.zarr"), [[0, 1, 2], [1, 2, 3]])
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_a_store_of_another_identity_is_begun_again(tmp_path):
    interrupted(tmp_path / "s.zarr", stop_after=4)
    assert len(measure(tmp_path / "s.zarr", identity="b")) == 6


def test_a_finished_store_is_reused_only_with_its_identity(tmp_path):
    measure(tmp_path / "s.zarr")
    assert measure(tmp_path / "s.zarr", reuse=True) == []
    assert len(measure(tmp_path / "s.zarr", identity="b", reuse=True)) == 6


def test_the_identity_depends_on_values_and_arrays():
    hashes = {identity_hash(1), identity_hash(2), identity_hash(1, arrays=[np.ones(2)]), identity_hash(1, arrays=[np.zeros(2)])}
    assert len(hashes) == 4
    assert identity_hash(1, arrays=[np.ones(2)]) == identity_hash(1, arrays=[np.ones(2)])
