"""Capmart: registry."""
