"""How do colleagues with other tools read a run? As one HDF5 or MATLAB file of its path, its geometry or its curves.

An exported file holds the arrays of a store under their names, bit for bit, with dimension names, units and meanings as
attributes (HDF5) or in the variable ``about`` (MATLAB), and the run's settings and provenance as JSON. HDF5 is written block by
block, so that memory stays bounded whatever the size; a MATLAB file (version 5, which every MATLAB and scipy read) takes a
variable at a time, each of less than 2 GB.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from anodiff.errors import ConfigError, StoreFormatError, did_you_mean
from anodiff.storage.stores import open_store, writing
from anodiff.storage.types import Report, silent

#: What can be exported: the store that holds it.
CONTENTS = {"path": "trajectory.zarr", "geometry": "geometry.zarr", "curves": "diffusion.zarr"}

#: Endings of a file, and the format of each.
FORMATS = {".h5": "HDF5", ".hdf5": "HDF5", ".mat": "MATLAB"}

#: A variable of a MATLAB file (version 5) has less than so many bytes.
MATLAB_BYTES = 2**31

#: Bytes held at a time, where chunks are no larger.
BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class _Variable:
    """An array of a store with the part of its first axis that is exported: None for all of it."""

    array: zarr.Array
    rows: NDArray[np.int64] | None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape if self.rows is None else (len(self.rows), *self.array.shape[1:])

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.array.dtype.itemsize

    @property
    def dimensions(self) -> list[str]:
        return [str(name) for name in getattr(self.array.metadata, "dimension_names", None) or ()]

    def blocks(self) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
        """Yield blocks of whole chunks with the place of each in what is exported."""
        array, rows = self.array, self.rows
        if not array.shape:
            yield (), np.asarray(array[()])
            return
        spans = [range(0, length, step) for length, step in zip(array.shape, _block(array), strict=True)]
        for corner in itertools.product(*spans):
            source = tuple(slice(c, c + s.step) for c, s in zip(corner, spans, strict=True))
            first = source[0]
            stop = min(first.stop, array.shape[0])
            target, wanted = slice(first.start, stop), None
            if rows is not None:
                target = slice(*np.searchsorted(rows, [first.start, stop]).tolist())
                wanted = rows[target] - first.start
                if not len(wanted):
                    continue
            block = np.asarray(array[source])
            ends = (slice(c, min(c + s.step, n)) for c, s, n in zip(corner[1:], spans[1:], array.shape[1:], strict=True))
            yield (target, *ends), block if wanted is None else block[wanted]


def export(
    run: str | Path,
    output: str | Path,
    *,
    content: str = "path",
    windows: Sequence[int] = (),
    overwrite: bool = False,
    report: Report = silent,
) -> None:
    """Write a run's path, geometry or curves as one file for other tools; the file appears when it is whole.

    Parameters
    ----------
    run
        The run's folder, or one of its stores.
    output
        The file; its ending says the format: ``.h5`` (or ``.hdf5``) or ``.mat``.
    content
        ``path``: weights and series of every step; ``geometry``: update Gram matrices; ``curves``: MSDs, β and what else stands
        in diffusion.zarr.
    windows
        Numbers of the windows to keep, from 0; all where none is given. Of a path the points of these windows are kept.
    report
        Called with the bytes done, the bytes in all and the name of the variable.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError
        If the run has no such store, or it is damaged.
    ConfigError
        For an unknown format, content or window, or a variable too large for a MATLAB file.
    OutputExistsError, StorageError
        As `anodiff.storage.stores.writing`.
    """
    output = Path(output)
    if content not in CONTENTS:
        raise ConfigError(f"--what {content}: {did_you_mean(content, CONTENTS)}")
    if output.suffix not in FORMATS:
        raise ConfigError(f"{output}: the file's name must end in .h5 (HDF5) or .mat (MATLAB)")
    run = Path(run)
    store = run if (run / "zarr.json").exists() else run / CONTENTS[content]
    group = _open(store, content)
    variables = _variables(group, windows)
    write = _write_matlab if FORMATS[output.suffix] == "MATLAB" else _write_hdf5
    if write is _write_matlab:
        _refuse_large(variables, output)
    total, done = sum(variable.nbytes for variable in variables.values()), 0

    def tell(name: str, block: NDArray[Any]) -> None:
        nonlocal done
        done += block.nbytes
        report(done, total, name)

    with writing(output, overwrite=overwrite) as temporary:
        try:
            write(temporary, group, variables, tell)
        except (ValueError, RuntimeError) as error:  # what reading a damaged chunk raises
            raise StoreFormatError(f"{store}: {' '.join(str(error).split())}; make the store anew") from None


def _open(path: Path, content: str) -> zarr.Group:
    """Return the store that holds the content, whole."""
    if content == "path":
        from anodiff.trajectory.store import open_trajectory

        return open_trajectory(path).group
    if content == "geometry":
        from anodiff.geometry.store import KIND, VERSION

        return open_store(path, KIND, VERSION)
    from anodiff.diffusion.analysis import KIND as CURVES
    from anodiff.diffusion.analysis import VERSION as CURVES_VERSION

    return open_store(path, CURVES, CURVES_VERSION)


def _variables(group: zarr.Group, windows: Sequence[int]) -> dict[str, _Variable]:
    """Return the arrays of a store by name, with the rows of each that belong to the windows."""
    arrays = dict(sorted(group.arrays()))
    rows: dict[str, NDArray[np.int64]] = {}
    if windows:
        count = next(array.shape[0] for name, array in arrays.items() if name in ("windows", "waiting_time"))
        unknown = [number for number in windows if not 0 <= number < count]
        if unknown:
            raise ConfigError(f"--window {unknown[0]}: the run has the windows 0 to {count - 1}")
        rows["window"] = np.unique(np.asarray(windows, np.int64))
        if "sample" in _names(arrays.get("step")):
            table = np.asarray(arrays["windows"][:])[rows["window"]]
            steps = np.unique(np.concatenate([np.arange(start, start + length + 1, by) for start, length, by in table]))
            rows["sample"] = np.flatnonzero(np.isin(np.asarray(arrays["step"][:]), steps))
    return {name: _Variable(array, rows.get(next(iter(_names(array)), ""))) for name, array in arrays.items()}


def _names(array: zarr.Array | None) -> Sequence[str]:
    return () if array is None else getattr(array.metadata, "dimension_names", None) or ()


def _block(array: zarr.Array) -> list[int]:
    """Return the extent of a block: a chunk, made wider along the last axes as far as `BLOCK_BYTES` allow."""
    extent = list(array.chunks)
    for axis in reversed(range(len(extent))):
        spare = BLOCK_BYTES // max(1, int(np.prod(extent, dtype=np.int64)) * array.dtype.itemsize)
        if spare > 1:
            extent[axis] = min(extent[axis] * spare, max(1, array.shape[axis]))
    return extent


def _write_hdf5(
    path: Path, group: zarr.Group, variables: Mapping[str, _Variable], tell: Callable[[str, NDArray[Any]], None]
) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for key, value in _about(group).items():
            file.attrs[key] = value
        for name, variable in variables.items():
            dataset = file.create_dataset(name, variable.shape, variable.array.dtype)
            for key, value in _about(variable.array).items():
                dataset.attrs[key] = value
            for axis, dimension in enumerate(variable.dimensions):
                dataset.dims[axis].label = dimension
            for place, block in variable.blocks():
                dataset[place] = block
                tell(name, block)


def _refuse_large(variables: Mapping[str, _Variable], output: Path) -> None:
    for name, variable in variables.items():
        if variable.nbytes >= MATLAB_BYTES:
            raise ConfigError(
                f"{output}: {name} takes {variable.nbytes / 1e9:.1f} GB, and a variable of a MATLAB file less than 2.1 GB; "
                f"write {output.with_suffix('.h5').name}, which MATLAB reads with h5read, or choose windows with --window"
            )


def _write_matlab(
    path: Path, group: zarr.Group, variables: Mapping[str, _Variable], tell: Callable[[str, NDArray[Any]], None]
) -> None:
    from scipy.io import savemat

    about = {"arrays": {name: _told(variable) for name, variable in variables.items()}, "attributes": _about(group)}
    with path.open("wb") as file:
        savemat(file, {"about": about}, long_field_names=True)
        for name, variable in variables.items():
            whole = np.empty(variable.shape, variable.array.dtype, order="F")
            for place, block in variable.blocks():
                whole[place] = block
                tell(name, block)
            savemat(
                file, {name: whole}, oned_as="column"
            )  # behind those before: the header is written at the file's start only


def _told(variable: _Variable) -> str:
    """Return meaning, unit and dimensions of a variable in a line."""
    about = variable.array.attrs
    parts = [str(about[key]) for key in ("long_name",) if key in about]
    parts += [f"unit {about[key]}" for key in ("units",) if key in about]
    return "; ".join([*parts, f"dimensions {', '.join(variable.dimensions)}"])


def _about(group: zarr.Group | zarr.Array) -> dict[str, str | int | float]:
    """Return the attributes: numbers and texts as they are, what is nested as JSON."""
    attributes: dict[str, Any] = dict(group.attrs)
    return {key: value if isinstance(value, (str, int, float)) else json.dumps(value) for key, value in attributes.items()}
