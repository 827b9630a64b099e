"""How are the training loops of other libraries recorded? By callbacks.

Public: `TrajectoryCallback` of ``lightning`` and of ``huggingface``. Each module needs its library,
so import it yourself.
"""
