"""Run the command line with ``python -m shipfit``."""

from .interfaces.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
