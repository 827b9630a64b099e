"""``python -m anodiff`` is ``anodiff``."""

from anodiff.cli import main

main()
