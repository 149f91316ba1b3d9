"""``python -m coilbox.cli``."""

from coilbox.cli import main

if __name__ == "__main__":
    main()
