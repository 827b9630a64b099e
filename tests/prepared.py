"""What a process that is forked for programs of Python has done already: its imports; torch's memory is known."""

import gc
import importlib

from anodiff.sweep.footprint import torch_memory

torch_memory()

#: torch imports its _dynamo for batch normalisation without numbers, as for the estimates of jobs.
for name in (
    *("torch._dynamo", "anodiff.training", "pandas", "anodiff.sweep.runs"),
    *("snakemake.cli", "snakemake_executor_plugin_slurm"),
):
    importlib.import_module(name)
gc.freeze()
