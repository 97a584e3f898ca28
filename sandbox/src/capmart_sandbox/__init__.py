"""Runs capability components in hardened containers. Reached through its drivers in ``capmart.runners`` only."""
