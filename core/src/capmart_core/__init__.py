"""Capmart: core."""
