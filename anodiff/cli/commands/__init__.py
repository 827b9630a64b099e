"""The commands, one module for each topic.

A command imports heavy packages only when it is called.
"""
