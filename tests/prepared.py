"""What a process that plans workflows has done already: torch is imported, and its memory is known."""

from anodiff.sweep.footprint import torch_memory

torch_memory()

import torch._dynamo  # noqa: E402, F401 - torch imports it for batch normalisation without numbers
