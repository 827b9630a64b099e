"""What does a sweep as a whole contain, cost and show?

`runs` names its runs; `costs` and `plan` estimate what they need; `results` reads what came out; `tables` makes its tables.
`claims` judges the study's claims, `comparison` compares two runs or sweeps. Import from these modules.
"""
