"""How does a network learn to read tracks, and how good is it?"""
