"""How are results written, so that each is whole or absent?

Public: `stores` (Zarr stores), `resumable` (stores written in parts), `lock` (one process at a
time), `columns` (of tables), `compression`, `memory`, and `types`, which all packages share.
"""
