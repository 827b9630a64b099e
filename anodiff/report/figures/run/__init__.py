"""Figures of one run, with all its windows: `catalogue` lists them, `data` reads its stores."""
