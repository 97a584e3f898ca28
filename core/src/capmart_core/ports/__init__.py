"""Ports: the abstract classes behind which drivers lie, one module each."""
