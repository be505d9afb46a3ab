"""python -m streamify_server.runtime app.handler."""

import sys

from .startup import main

if __name__ == "__main__":
    main(sys.argv)
