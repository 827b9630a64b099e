"""Is what somebody gave a count, such as a number of steps? Without NumPy, for what starts fast."""

from __future__ import annotations

from anodiff.errors import ConfigError


def whole_number(value: float, name: str, low: int) -> int:
    """Return a whole number of at least ``low``.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = low - 1
    if whole != value or whole < low:
        raise ConfigError(f"{name}: got {value}, expected a whole number, {low} or more")
    return whole
