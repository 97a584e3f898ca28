"""Capmart: component."""
