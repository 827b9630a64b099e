"""How the path spreads: mean squared displacements, their exponents, and the analysis of a run."""
