"""``python -m placement_opt``: the command line."""

import sys

from placement_opt.cli import main

if __name__ == "__main__":
    sys.exit(main())
