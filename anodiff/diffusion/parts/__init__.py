"""How do the parts of a path diffuse, each by itself? Groups of parameters, and walks of the optimiser.

Public: `analysis.compute_parts` for a run, `store.open_parts` for its results.
"""
