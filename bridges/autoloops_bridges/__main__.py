"""``python -m autoloops_bridges`` is ``autoloops``."""

from autoloops_bridges.cli import main

main()
