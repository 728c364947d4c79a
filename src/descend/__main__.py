"""`python -m descend ...` is the console script `descend`."""

from .tools.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
