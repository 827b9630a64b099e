"""What does a single trajectory say? Its exponent and its kind of motion, by a trained network.

Public: `cells` (which exponents each kind has), `motions` and `tracks` (tracks to learn from),
`pyramid` and `wadnet` (networks), `posterior` (what the answer of a network says), `training`.
"""
