"""How is an array compressed and checked? All arrays have the same compressor and checksum."""

from __future__ import annotations

from typing import Any

#: Blosc's settings. LZ4 gives files 5 % larger than Zstandard, and is almost twice as fast both ways.
BLOSC: dict[str, Any] = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle"}


def compressors() -> list[Any]:
    """Return the compressors of an array: Blosc (LZ4, bit-shuffle), then a CRC32C checksum."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    return [BloscCodec(**BLOSC), Crc32cCodec()]
