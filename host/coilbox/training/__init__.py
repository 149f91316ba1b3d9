"""The programs that a compile profile is taken from."""
