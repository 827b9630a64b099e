"""The figures: `catalogue` lists those of a sweep, `run.catalogue` those of a run and
`tracks.catalogue` those of tracks, each with its title and caption.

`drawing` draws and writes them; this is the public part. `style` is their common look, `lag_panels`
what panels over the lag share. The functions that draw are in `sweep`, `landscape`, `model`, `run`
and `tracks`. matplotlib is only imported when something is drawn.
"""
