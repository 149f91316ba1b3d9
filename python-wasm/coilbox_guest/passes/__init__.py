"""Passes over the linked guest, each its own module."""
