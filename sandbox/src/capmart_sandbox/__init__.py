"""Capmart: sandbox."""
