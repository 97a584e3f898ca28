"""Runs capability components: in hardened containers, or, for trusted code only, in plain processes."""
