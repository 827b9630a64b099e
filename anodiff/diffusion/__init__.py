"""How does a path spread? Its exponents with intervals and nulls, its shape, tails and avalanches.

Public: `analysis.compute_diffusion` and `analysis.open_diffusion` for a run; every module for
arrays of your own.
"""
