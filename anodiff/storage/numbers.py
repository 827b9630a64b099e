"""Is what somebody gave an array of real numbers? Public functions take arrays through here.

NumPy, torch, pandas, xarray, Zarr, HDF5 and nested lists are accepted. Masked, complex and other
entries are refused, and so is what is not finite, unless a function says otherwise: their values
would go on as numbers that nobody can tell from real ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anodiff.errors import ConfigError, reason_of
from anodiff.storage.types import FloatArray

#: Kinds of NumPy's types that are real numbers: bool, integers, floats.
REAL = "biuf"


def real_numbers(values: ArrayLike, name: str, shape: str | None = None, *, finite: bool = True) -> FloatArray:
    """Return values in memory as a float64 array.

    Parameters
    ----------
    name
        What they are called in a message.
    shape
        The shape that is expected, such as ``(T+1, P)``; by default any. Only the number of its
        axes is checked.
    finite
        Whether NaN and infinite values are refused.

    Raises
    ------
    ConfigError
        If an entry is masked, complex, or no number; if the number of axes is another; if an entry
        is not finite and ``finite`` is set.

    Examples
    --------
    >>> real_numbers([[1, 2], [3, 4]], "points", "(T+1, P)")
    array([[1., 2.],
           [3., 4.]])
    """
    found = plain(values, name).astype(np.float64)
    if shape is not None and found.ndim != len(shape.split(",")) - shape.endswith(",)"):
        raise ConfigError(f"{name}: got shape {found.shape}, expected {shape}")
    if finite and not np.isfinite(found).all():
        raise ConfigError(f"{name}: {np.count_nonzero(~np.isfinite(found))} of {found.size} values are NaN or infinite")
    return found


def plain(values: Any, name: str) -> NDArray[Any]:
    """Return values in memory as a NumPy array of real numbers, in their own precision if NumPy has it.

    Raises
    ------
    ConfigError
        If an entry is masked, complex, or no number.
    """
    if hasattr(values, "detach"):
        values = _of_tensor(values, name)
    if np.ma.is_masked(values):
        count = int(np.ma.getmaskarray(values).sum())
        raise ConfigError(f"{name}: {count} of {np.size(values)} values are masked; fill them, or leave them out")
    try:
        # a copy in C order has the same bits whatever it was made from
        found = np.asarray(values) if isinstance(values, np.ndarray) else np.asarray(values, order="C")
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name}: got {type(values).__name__} that is no array of numbers ({error})") from None
    return _checked_type(found, name)


def readable(values: Any, name: str) -> Any:
    """Return an array that can be read in parts, such as Zarr's, HDF5's or a memory map, as it is;
    anything else as `plain` returns it.

    Raises
    ------
    ConfigError
        If its entries are no real numbers.
    """
    in_memory = isinstance(values, (np.ndarray, list, tuple)) or hasattr(values, "detach") or hasattr(values, "columns")
    if in_memory or not (hasattr(values, "shape") and hasattr(values, "__getitem__")):
        return plain(values, name)
    if hasattr(values, "dtype"):
        _checked_type(np.empty(0, values.dtype), name)
    return values


def whole_numbers(values: ArrayLike, name: str, low: int, high: int) -> NDArray[np.int64]:
    """Return whole numbers from ``low`` to ``high`` as an array; one number as an array of one.

    Raises
    ------
    ConfigError
        If an entry is no whole number, or out of range.

    Examples
    --------
    >>> whole_numbers([1.0, 10.0], "lags", 0, 100)
    array([ 1, 10])
    """
    found = np.atleast_1d(real_numbers(values, name))
    wrong = found[(found != np.floor(found)) | (found < low) | (found > high)]
    if found.ndim != 1 or len(wrong):
        got = f"shape {found.shape}" if found.ndim != 1 else f"{wrong[0]:g}"
        raise ConfigError(f"{name}: got {got}, expected whole numbers from {low} to {high}")
    return found.astype(np.int64)


def _of_tensor(tensor: Any, name: str) -> NDArray[Any]:
    """Return a torch tensor's values; half precisions are widened, which is exact."""
    tensor = tensor.detach()
    if tensor.is_complex():
        raise ConfigError(f"{name}: got a tensor of {tensor.dtype}, expected real numbers")
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    try:
        return tensor.cpu().resolve_conj().resolve_neg().to_dense().numpy()
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(f"{name}: got a tensor that NumPy cannot read ({reason_of(error)})") from None


def _checked_type(found: NDArray[Any], name: str) -> NDArray[Any]:
    if found.dtype.kind not in REAL:
        raise ConfigError(f"{name}: got entries of type {found.dtype}, expected real numbers")
    return found
