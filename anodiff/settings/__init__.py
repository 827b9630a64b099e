"""What can be set, and is this config file valid? Every default, type and bound is here.

Public: `run`, `data`, `networks` (one training), `stages` (the analysis), `sweep` (a config file),
`loading` (reads and checks one), `reference` (its documentation). No module imports torch.
"""
