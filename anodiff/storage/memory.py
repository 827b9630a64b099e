"""Is there enough memory? Asked before something large is allocated."""

from __future__ import annotations

from anodiff.errors import ConfigError


def require_memory(what: str, needed: float, instead: str = "take fewer", available: float | None = None) -> None:
    """Raise `ConfigError` if ``what`` needs more memory than is available.

    Parameters
    ----------
    what
        What needs the memory, for the message.
    needed
        Bytes that it needs.
    instead
        What the user can do, for the message.
    available
        Bytes available; by default this machine's, see `available_memory`.
    """
    available = available_memory() if available is None else available
    if needed > available:
        raise ConfigError(f"{what} needs {needed / 2**30:.1f} GiB of memory, {available / 2**30:.1f} GiB are free; {instead}")


def available_memory() -> int:
    """Return the bytes that this machine can give without swapping, page cache included."""
    import psutil

    return psutil.virtual_memory().available
