"""Figures of somebody's tracks: `catalogue` lists them, `data` holds what they are drawn from."""
