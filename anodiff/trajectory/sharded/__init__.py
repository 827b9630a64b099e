"""How is a model recorded that several processes train together? Each keeps its own part of the
path, and rank 0 puts the parts together.

Public: `load_state` reads a recorder's state from a checkpoint of ``torch.distributed.checkpoint``.
`TrajectoryRecorder` finds out by itself how a model is distributed.
"""
