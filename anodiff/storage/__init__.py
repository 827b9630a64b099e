"""Outputs that appear whole or not at all.

`stores` are Zarr stores and how they reach their place, `compression` how arrays are packed and checked, `lock` who may write,
`measurement` work that resumes, `memory` whether something fits, `types` what passes between all packages.
"""
