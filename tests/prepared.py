"""What a process that plans workflows has done already: torch is imported, and its memory is known."""

from anodiff.sweep.footprint import torch_memory

torch_memory()
