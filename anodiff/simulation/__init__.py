"""Known laws, to test the analysis with: processes, surfaces with walkers on them, and the calibration of every estimator."""
