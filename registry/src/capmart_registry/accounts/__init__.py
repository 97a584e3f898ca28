"""Organisations, accounts and their tokens."""
