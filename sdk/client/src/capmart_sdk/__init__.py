"""Capmart: sdk."""
