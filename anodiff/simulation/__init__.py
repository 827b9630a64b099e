"""Known laws, to test the analysis against: processes, surfaces with walkers on them, and the calibration of every estimator."""
