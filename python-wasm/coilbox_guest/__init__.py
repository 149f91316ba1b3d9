"""The builder of coilbox's guest module: parts, linker, passes, snapshot."""
