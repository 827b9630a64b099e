"""Which networks read a track?"""
