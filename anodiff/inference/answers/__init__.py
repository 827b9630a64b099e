"""What does a trained network say of a track, and how sure is it?"""
