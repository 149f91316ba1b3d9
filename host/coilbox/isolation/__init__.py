"""Sandboxes in worker processes: a second layer of isolation, on Linux.

See ``docs/isolation.md``.
"""
