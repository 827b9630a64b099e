"""The sweep as a whole: which runs there are, what they cost, and what their results say together.

`runs` names them, `costs` and `plan` estimate them; `results` reads them, `tables` gathers them, `columns` explains the tables;
`claims` and `hypothesis_tests` judge, `seeds` averages, `connections` correlates, `comparison` compares.
"""
