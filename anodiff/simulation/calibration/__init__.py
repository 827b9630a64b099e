"""Can the estimators be trusted? Tests on paths, profiles and surfaces of known exponents, and on curves of known laws.

Public: `paths.calibrate`, `roughness.calibrate_roughness` and `learning.calibrate_learning`.
"""
