"""Write pandas_tables.h5, tracks as pandas 3.1.1 and PyTables 3.11.1 write them:

pip install pandas==3.1.1 tables==3.11.1
python tests/inference/make_pandas_tables.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

OUTPUT = Path(__file__).with_name("pandas_tables.h5")

steps = np.random.default_rng(0).normal(size=(3, 12, 2))
tracks = pd.DataFrame(
    [
        {"y": y, "x": x, "mass": 1.0, "frame": frame, "particle": particle}
        for particle, walk in enumerate(steps.cumsum(axis=1))
        for frame, (x, y) in enumerate(walk)
    ]
)
OUTPUT.unlink(missing_ok=True)
for key, options in {
    "fixed": {"format": "fixed"},
    "table": {"format": "table", "index": False},
    "columns": {"format": "table", "index": False, "data_columns": True},  # as trackpy.PandasHDFStoreSingleNode does
}.items():
    tracks.to_hdf(OUTPUT, key=key, complevel=9, complib="zlib", **options)
