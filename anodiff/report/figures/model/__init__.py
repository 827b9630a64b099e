"""Figures of the simplified model and of the calibration."""
