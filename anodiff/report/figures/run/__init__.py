"""Figures of one run, all its windows."""
