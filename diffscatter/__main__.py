"""``python -m diffscatter`` is the ``diffscatter`` command."""

from diffscatter.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
