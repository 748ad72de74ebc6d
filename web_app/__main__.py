"""`python -m web_app`: the server of the page."""

import sys

from .command_line import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], "python -m web_app"))
