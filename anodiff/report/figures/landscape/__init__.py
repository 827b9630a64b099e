"""Figures of the loss landscape, along one run and over a sweep."""
