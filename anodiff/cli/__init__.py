"""The command line: one command for each rule of the workflow, and those that look at what is there."""

from anodiff.cli.app import app, main

__all__ = ["app", "main"]
