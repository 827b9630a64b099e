"""Figures of the simplified model, and of the calibration of the estimators."""
