"""``python -m coilbox``: the command line."""

from coilbox.cli import main

if __name__ == "__main__":
    main()
