"""How do other tools read a run?

From one HDF5 or MATLAB file of its path, its geometry or its curves.

An exported file has the arrays of a store under the same names, with exactly the same values.
Dimension names, units and meanings are attributes (HDF5) or in the variable ``about`` (MATLAB); the
run's settings and provenance are there as JSON. HDF5 is written block by block, so memory is
bounded for any size. A MATLAB file (version 5, which every MATLAB and scipy can read) is written
one variable at a time, each smaller than 2 GB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anodiff.cli.export_arrays import ExportedArray, exported_arrays
from anodiff.errors import ConfigError, did_you_mean
from anodiff.storage.integrity import CHECKSUMS
from anodiff.storage.stores import open_store, writing
from anodiff.storage.types import ProgressCallback, no_progress

if TYPE_CHECKING:
    import zarr

#: What can be exported: the store that has it.
CONTENTS = {"path": "trajectory.zarr", "geometry": "geometry.zarr", "curves": "diffusion.zarr", "parts": "parts.zarr"}

#: Endings of a file, and the format of each.
FORMATS = {".h5": "HDF5", ".hdf5": "HDF5", ".mat": "MATLAB"}

#: A variable of a MATLAB file (version 5) has fewer bytes than this.
MATLAB_BYTES = 2**31

#: Called with the name of an array and each of its blocks that was written.
OnBlock = Callable[[str, NDArray[Any]], None]


def export(
    run: str | Path,
    output: str | Path,
    *,
    content: str = "path",
    windows: Sequence[int] = (),
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> None:
    """Write a run's path, geometry or curves as one file for other tools; the file appears once it
    is complete.

    Parameters
    ----------
    run
        The run's folder, or one of its stores.
    output
        The file; its ending is its format: ``.h5`` (or ``.hdf5``) or ``.mat``.
    content
        ``path``: weights and series of every step; ``geometry``: update Gram matrices; ``curves``:
        MSDs, β and the rest of diffusion.zarr; ``parts``: those of groups and walks.
    windows
        Numbers of the windows to keep, from 0; by default all. For a path, the points of these
        windows are kept.
    report
        Called with the bytes done, the total bytes and the name of the variable.

    Raises
    ------
    StoreMissingError, StoreFormatError, IncompleteStoreError, StoreDamagedError
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
    arrays = exported_arrays(group, windows)
    if FORMATS[output.suffix] == "MATLAB":
        _refuse_large(arrays, output)
        write = _write_matlab
    else:
        write = _write_hdf5
    total, done = sum(array.nbytes for array in arrays.values()), 0

    def count(name: str, block: NDArray[Any]) -> None:
        nonlocal done
        done += block.nbytes
        report(done, total, name)

    with writing(output, overwrite=overwrite) as temporary:
        write(temporary, group, arrays, count)


def _open(path: Path, content: str) -> zarr.Group:
    """Open the store that has the content, after a check that it is complete."""
    if content == "path":
        from anodiff.trajectory.store import open_trajectory

        return open_trajectory(path).group
    if content == "geometry":
        from anodiff.geometry.store import KIND, VERSION

        return open_store(path, KIND, VERSION)
    if content == "parts":
        from anodiff.diffusion.parts.columns import KIND as PARTS
        from anodiff.diffusion.parts.columns import VERSION as PARTS_VERSION

        return open_store(path, PARTS, PARTS_VERSION)
    from anodiff.diffusion.analysis import KIND as CURVES
    from anodiff.diffusion.analysis import VERSION as CURVES_VERSION

    return open_store(path, CURVES, CURVES_VERSION)


def _write_hdf5(path: Path, group: zarr.Group, arrays: Mapping[str, ExportedArray], on_block: OnBlock) -> None:
    # xarray's to_netcdf would load each array as a whole: without dask it does not write block by block
    import h5py

    with h5py.File(path, "w") as file:
        for key, value in _attributes(group).items():
            file.attrs[key] = value
        for name, exported in arrays.items():
            dataset = file.create_dataset(name, exported.shape, exported.array.dtype)
            for key, value in _attributes(exported.array).items():
                dataset.attrs[key] = value
            for axis, dimension in enumerate(exported.dimensions):
                dataset.dims[axis].label = dimension
            for place, block in exported.blocks():
                dataset[place] = block
                on_block(name, block)


def _write_matlab(path: Path, group: zarr.Group, arrays: Mapping[str, ExportedArray], on_block: OnBlock) -> None:
    from scipy.io import savemat

    about = {"arrays": {name: _meaning(exported) for name, exported in arrays.items()}, "attributes": _attributes(group)}
    with path.open("wb") as file:
        savemat(file, {"about": about}, long_field_names=True)
        for name, exported in arrays.items():
            whole = np.empty(exported.shape, exported.array.dtype, order="F")
            for place, block in exported.blocks():
                whole[place] = block
                on_block(name, block)
            savemat(file, {name: whole}, oned_as="column")  # appends: it writes the header only at the start of a file


def _refuse_large(arrays: Mapping[str, ExportedArray], output: Path) -> None:
    for name, exported in arrays.items():
        if exported.nbytes >= MATLAB_BYTES:
            raise ConfigError(
                f"{output}: {name} takes {exported.nbytes / 1e9:.1f} GB, and a variable of a MATLAB file less than 2.1 GB; "
                f"write {output.with_suffix('.h5').name}, which MATLAB reads with h5read, or choose windows with --window"
            )


def _meaning(exported: ExportedArray) -> str:
    """Return meaning, unit and dimensions of an array in a line."""
    attributes = exported.array.attrs
    parts = [str(attributes["long_name"])] if "long_name" in attributes else []
    parts += [f"unit {attributes['units']}"] if "units" in attributes else []
    return "; ".join([*parts, f"dimensions {', '.join(exported.dimensions)}"])


def _attributes(group: zarr.Group | zarr.Array) -> dict[str, str | int | float]:
    """Return the attributes: numbers and texts unchanged, nested values as JSON.

    The checksums are of the store's files, and stay there.
    """
    attributes: dict[str, Any] = {key: value for key, value in group.attrs.items() if key != CHECKSUMS}
    return {key: value if isinstance(value, (str, int, float)) else json.dumps(value) for key, value in attributes.items()}
