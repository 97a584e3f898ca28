"""Hooks: what extensions may add to core."""
