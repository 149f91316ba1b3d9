"""Sandboxes in worker processes: the second wall, on Linux. docs/isolation.md describes it."""
