"""Does the analysis find a law that is known beforehand? Simulations, and tests of all estimators.

Public: `processes` (paths of known MSD), `surfaces` (rough surfaces and walkers on them),
`calibration` (bias, spread and coverage of the estimators).
"""
