"""Engines: what runs the guest module."""
