"""How are results written, so that each is whole or absent?

Public: `stores` (Zarr stores), `resumable` (stores written in parts), `lock` (one process at a
time), `integrity` and `checked` (what a finished store must hold, and how it is read), `tables` (the
same of tables), `arrays`, `compression`, `columns`, `files`, `memory`, `threads`, and `types`, which
all packages share.
"""
