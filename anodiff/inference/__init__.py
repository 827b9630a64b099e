"""What does a single trajectory say? Its exponent and its kind of motion, by a trained network.

Public: `cells` (which exponents each kind has), `motions` and `tracks` (tracks to learn from),
`networks` (which read them), `training`, `posterior` (what an answer says), `characters` (what a
network says of given tracks), `files` and `file_characters` (the same of tracks in a file).
"""
