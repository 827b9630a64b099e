"""Can the estimators be trusted? Tests on paths, profiles and surfaces of known exponents.

Public: `paths.calibrate` and `roughness.calibrate_roughness`.
"""
