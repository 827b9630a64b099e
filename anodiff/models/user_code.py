"""Which function of the user's own code is ``package.module:function``?"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anodiff.errors import ConfigError, did_you_mean


def find_callable(what: str, module_name: str, name: str) -> Callable[..., Any]:
    """Return a callable of a module.

    Parameters
    ----------
    what
        What the user asked for, with which an error begins.

    Raises
    ------
    ConfigError
        If the module cannot be imported, or has no such callable.
    """
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module does as it is imported
        raise ConfigError(f"{what}: cannot import {module_name}: {type(error).__name__}: {first_line(error)}") from error
    found = getattr(module, name, None)
    if callable(found):
        return found
    if found is not None:
        raise ConfigError(f"{what}: {name} is not callable but of type {type(found).__name__}")
    known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    raise ConfigError(f"{what}: {module_name} has no {name!r}; {did_you_mean(name, known)}")


@contextmanager
def working_directory_importable() -> Iterator[None]:
    """Put the working directory first on the module search path, as ``python -m`` does."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type's name if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
