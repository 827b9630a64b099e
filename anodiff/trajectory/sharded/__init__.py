"""How is a model recorded that several processes train together? Each keeps its own part of the
path, and rank 0 puts the parts together.

Public: `load_state` reads a recorder's state from a checkpoint of ``torch.distributed.checkpoint``.
`TrajectoryRecorder` finds out by itself how a model is distributed.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"state": ["load_state"]})
