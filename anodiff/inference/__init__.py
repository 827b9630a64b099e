"""What does a single trajectory say? Its exponent and its kind of motion, by a trained network.

The arrows between its rooms: `runs` and `files` > `answers` and `teaching` > `networks` and
`simulated` > `cells`. Public: `characters.characterise`, what a network says of given tracks.
"""
