"""The native engine: the guest module as C, compiled ahead of time to machine code."""
