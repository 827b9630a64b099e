"""Figures of a sweep: a panel for each configuration, or a column for each model."""
