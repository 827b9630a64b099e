"""The command line of anodiff: `app` holds its commands, `main` runs them."""

from anodiff.cli.app import app, main

__all__ = ["app", "main"]
