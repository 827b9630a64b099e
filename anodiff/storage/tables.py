"""Is a table still the one that was written?

Next to every CSV file is another with its SHA-256, such as ``exponents.csv.sha256``, which
``sha256sum --check`` reads too. A table that was edited, cut or mixed up is refused, not read.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anodiff.errors import StoreDamagedError, StoreMissingError

if TYPE_CHECKING:
    import pandas as pd

#: Ending of a table's name, and what is added to it for the name of its digest.
TABLE, DIGEST = ".csv", ".sha256"


def read_table(path: str | Path, *, make: str = "", **options: Any) -> pd.DataFrame:
    """Read a table that anodiff wrote.

    Parameters
    ----------
    make
        The command that makes the table, for the message if there is none.
    options
        Of `pandas.read_csv`.

    Raises
    ------
    StoreMissingError
        If there is no such file.
    StoreDamagedError
        If it is not what was written, or its digest is missing.
    """
    import pandas as pd

    path = Path(path)
    try:
        return pd.read_csv(io.BytesIO(read_bytes(path, make=make)), **options)
    except (ValueError, KeyError, TypeError) as error:  # pandas's errors of parsing are ValueErrors
        if isinstance(error, StoreDamagedError):
            raise
        raise StoreDamagedError(path, reason=f"it is not the expected table: {error}") from None


def read_bytes(path: Path, *, make: str = "") -> bytes:
    """Return a table's bytes, compared with their digest; raises what `read_table` raises."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StoreMissingError(f"{path}: no such table{f'; make it with: {make}' if make else ''}") from None
    except OSError as error:
        raise StoreDamagedError(path, reason=f"it cannot be read: {error.strerror or error}") from None
    digest = digest_file(path)
    try:
        recorded = digest.read_text(encoding="ascii").split()[:1]
    except FileNotFoundError:
        raise StoreDamagedError(path, reason=f"{digest.name}, the digest that belongs to it, is missing") from None
    except (OSError, ValueError) as error:
        raise StoreDamagedError(digest, reason=f"it cannot be read: {error}") from None
    if recorded != [hashlib.sha256(content).hexdigest()]:
        raise StoreDamagedError(path, reason=f"it is not what was written, by its digest in {digest.name}")
    return content


def write_digest(table: Path, name: Path) -> None:
    """Write the digest of a table that will have the name ``name``."""
    digest, partial = digest_file(name), table.with_name(table.name + DIGEST)
    try:
        partial.write_text(f"{hashlib.sha256(table.read_bytes()).hexdigest()}  {name.name}\n", encoding="utf-8")
        os.replace(partial, digest)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table to a folder of this process's own, with its digest; elsewhere, write within
    `anodiff.storage.stores.writing`, which adds the digest.
    """
    table.to_csv(path, index=False)
    write_digest(Path(path), Path(path))


def digest_file(table: Path) -> Path:
    """Return the file that holds a table's digest."""
    return table.with_name(table.name + DIGEST)
