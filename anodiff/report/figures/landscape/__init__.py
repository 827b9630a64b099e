"""Figures of the loss landscape: panels that runs and sweeps share, and the figures of a sweep."""
