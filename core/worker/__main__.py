"""`python -m core.worker`: the engine process."""

import sys

from .server import main

if __name__ == "__main__":
    main(sys.argv[1:])
