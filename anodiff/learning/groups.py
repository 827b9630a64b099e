"""Which groups of training samples does the user ask about? By a column of a table, or a function."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anodiff.data import Dataset
from anodiff.errors import AnodiffError, ConfigError, did_you_mean, one_line
from anodiff.models.user_code import find_callable, first_line, working_directory_importable

#: A column with more different values is no column of groups.
MOST_GROUPS = 100


@dataclass(frozen=True)
class Groups:
    """Groups of training samples: their names, and the number of each sample's group, (N,), -1 for none."""

    names: list[str]
    numbers: NDArray[np.int64]


def read_groups(settings: Mapping[str, str], dataset: Dataset) -> list[Groups]:
    """Return the groups of each entry of ``learning.groups``; a group's name is ``entry: value``.

    Samples whose value is missing are in no group.

    Parameters
    ----------
    dataset
        The run's data set, on the CPU. A function gets its training images as they are stored, and
        the labels that the run was trained on, as numpy arrays.

    Raises
    ------
    ConfigError
        If there is no such file, column, module or function, it fails, or it does not give one value
        for each training sample and at most 100 different ones.
    """
    return [_groups(name, source, dataset) for name, source in settings.items()]


def _groups(name: str, source: str, dataset: Dataset) -> Groups:
    import pandas as pd

    what = f"learning.groups: {name}: {source}"
    place, colon, last = source.rpartition(":")
    if not (place and colon and last):
        raise ConfigError(f"{what}: expected file.csv:column or package.module:function")
    column = place.lower().endswith(".csv")
    values = _from_table(what, place, last) if column else _from_function(what, place, last, dataset)
    samples = len(dataset.train_labels)
    if len(values) != samples:
        raise ConfigError(f"{what}: {len(values)} values for {samples} training samples; give one for each, in their order")
    numbers, different = pd.factorize(values, sort=True)
    if len(different) > MOST_GROUPS:
        raise ConfigError(f"{what}: {len(different)} different values; groups are at most {MOST_GROUPS}, so bin them first")
    return Groups([one_line(f"{name}: {value}") for value in different], np.asarray(numbers, dtype=np.int64))


def _from_table(what: str, file: str, column: str) -> Any:
    import pandas as pd

    try:
        table = pd.read_csv(Path(file).expanduser())
    except FileNotFoundError:
        raise ConfigError(f"{what}: no such file in {Path.cwd()}") from None
    except (OSError, ValueError) as error:  # pandas's errors of parsing are ValueErrors
        raise ConfigError(f"{what}: cannot be read: {first_line(error)}") from None
    if column not in table:
        raise ConfigError(f"{what}: no column {column!r}; {did_you_mean(column, list(map(str, table)))}")
    return table[column].to_numpy()


def _from_function(what: str, module: str, name: str, dataset: Dataset) -> Any:
    with working_directory_importable():
        function = find_callable(what, module, name)
        try:
            values = function(dataset.train_images.numpy().copy(), dataset.train_labels.numpy().copy())
        except (AnodiffError, MemoryError):
            raise
        except Exception as error:  # whatever the user's code does
            raise ConfigError(f"{what}: {name} failed: {type(error).__name__}: {first_line(error)}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy's, of nested sequences
            array = np.asarray(values)
    except Exception as error:
        raise ConfigError(f"{what}: {name} returned {type(values).__name__}: {first_line(error)}") from None
    if array.ndim != 1:
        raise ConfigError(f"{what}: {name} returned an array of shape {array.shape}; return one value for each image")
    return array
