"""What does not fit in memory is refused with both numbers."""

import types

import psutil
import pytest

from anodiff.errors import ConfigError
from anodiff.storage.memory import require_memory


def test_more_than_is_available_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=2 * 2**30, free=2**20))
    require_memory("two gibibytes", 2 * 2**30)
    with pytest.raises(ConfigError, match=r"^three gibibytes needs 3\.0 GiB of memory, 2\.0 GiB are free; take fewer$"):
        require_memory("three gibibytes", 3 * 2**30)


def test_this_machine_has_some_memory_and_no_exbibyte():
    require_memory("nothing", 0)
    require_memory("little", 2**20)
    with pytest.raises(ConfigError, match="GiB are free"):
        require_memory("an exbibyte", 2.0**60)


def test_a_bound_of_the_caller_replaces_the_machines():
    with pytest.raises(ConfigError, match=r"0\.5 GiB are free; take less$"):
        require_memory("one gibibyte", 2**30, "take less", available=2**29)
