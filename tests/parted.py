"""Paths with groups and walks: stores of them, made as the recorder makes them."""

from pathlib import Path

import numpy as np
import zarr

from anodiff.diffusion.parts.analysis import compute_parts
from anodiff.geometry import compute_geometry
from anodiff.geometry.parts import create_part_grams
from anodiff.geometry.path import path_geometry
from anodiff.settings.stages import AnalysisSettings
from anodiff.storage.stores import finish_store
from anodiff.trajectory.format import gram_layout
from anodiff.trajectory.store import open_trajectory

#: Names that a table, a store, a file or a figure must bear.
HOSTILE = ("a, b", "two\nlines", "größe α²", "x" * 200, '"quoted"', "<b>&amp;</b>", "$x_1$", "whole", "gradient")


def table_of(sizes):
    """The table of parameters of tensors of these sizes, named p0, p1 …"""
    offsets = np.cumsum([0, *sizes])
    return [
        {"name": f"p{number}", "shape": [size], "offset": int(offset), "dtype": "float32"}
        for number, (size, offset) in enumerate(zip(sizes, offsets, strict=False))
    ]


def groups_of(named, table):
    """The attribute ``groups`` of {name: [tensors]}."""
    sizes = {entry["name"]: entry["shape"][0] for entry in table}
    return [{"name": name, "parameters": own, "size": sum(sizes[each] for each in own)} for name, own in named.items()]


def with_groups(path, sizes, named):
    """Give a recorded path with full weights the tensors p0, p1 … and groups of them; return its path."""
    table = table_of(sizes)
    return edited(path, parameters=table, groups=groups_of(named, table))


def edited(path, **attributes):
    """Change the attributes of a finished store, and finish it again."""
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    status = group.attrs["status"]
    group.attrs.update(attributes)
    finish_store(group, status)
    return path


def without_weights(path, sizes=(), named=None, walks=None, *, keep=False):
    """Turn a recorded path into one of weights none: its Gram matrices, those of its groups, and of walks (name: points).

    ``keep`` keeps the weights, and adds the walks alone.
    """
    trajectory = open_trajectory(path)
    windows = trajectory.windows
    updates = max(window.updates for window in windows)
    points = np.asarray(trajectory.weights[:], np.float64)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    attributes = {}
    blocks = {}
    if named is not None and not keep:
        table = table_of(sizes)
        columns = {entry["name"]: np.arange(entry["offset"], entry["offset"] + entry["shape"][0]) for entry in table}
        attributes |= {"parameters": table, "groups": groups_of(named, table)}
        blocks["group"] = [points[:, np.concatenate([columns[each] for each in own])] for own in named.values()]
    if walks:
        attributes["walks"] = list(walks)
        blocks["walk"] = [np.asarray(own, np.float64) for own in walks.values()]
    for kind, own in blocks.items():
        create_part_grams(group, kind, len(own), len(windows), updates)
        for place, part in enumerate(own):
            for number, window in enumerate(windows):
                if window.reached(trajectory.steps_completed):
                    gram = np.diff(part[window.steps], axis=0)
                    group[f"{kind}_gram"][place, number, : window.updates, : window.updates] = gram @ gram.T
    if not keep:
        del group["weights"]
        group.create_array("gram", **gram_layout(len(windows), updates))
        for number, window in enumerate(windows):
            if window.reached(trajectory.steps_completed):
                gram = path_geometry(points[window.steps]).gram
                if "group" in blocks:
                    stored = group["group_gram"]
                    gram = np.zeros_like(gram)
                    for place in range(len(blocks["group"])):
                        gram += stored[place, number, : window.updates, : window.updates]
                group["gram"][number, : window.updates, : window.updates] = gram
        attributes["representation"] = "none"
    return edited(path, **attributes)


#: Long lags of short windows.
SHORT = AnalysisSettings(long_lags=(20, 100))


def part_rows(folder: Path):
    """The rows of a folder's parts.csv by kind and part."""
    import pandas as pd

    return pd.read_csv(folder / "parts.csv").set_index(["kind", "part"])


def with_parts(folder, named=None):
    """Give the folder of a finished run of 30 numbers groups and a walk, really measured; return it."""
    path = folder / "trajectory.zarr"
    points = np.asarray(open_trajectory(path).weights[:], np.float64)
    with_groups(path, (10, 12, 8), named or {"first": ["p0"], "second": ["p1", "p2"]})
    without_weights(path, walks={"gradient": points[:, ::2]}, keep=True)
    compute_geometry(path, folder / "geometry.zarr", overwrite=True)
    compute_parts(folder / "geometry.zarr", folder / "parts.zarr", folder / "parts.csv", AnalysisSettings(long_lags=(5, 18)))
    return folder
