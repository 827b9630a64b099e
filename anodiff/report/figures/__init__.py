"""The figures: `catalogue` says which there are and what they show, `drawing` draws one over a sweep, `style` is their look.

Those of a run are in `run`, which has a catalogue and a `drawing` of its own; matplotlib is imported when something is drawn.
"""
