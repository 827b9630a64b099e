"""Can the estimators be trusted? Each one on paths, profiles and surfaces whose exponents are known."""
