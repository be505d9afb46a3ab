"""``python -m streamify_client``: the `streamify` command."""

from .cli import main

if __name__ == "__main__":
    main()
