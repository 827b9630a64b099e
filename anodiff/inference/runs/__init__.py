"""What kind of walk is each coordinate of a run?"""
