"""Figures of a sweep, a panel or column for each configuration or model."""
