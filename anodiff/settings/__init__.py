"""What can be set: the one place for every default, type and bound, and for its documentation.

`base` is what all settings share, `run` a training, `data` and `networks` what is trained on what, `stages` the analysis,
`sweep` the whole config file, `loading` reads one, `reference` documents them all.
"""
