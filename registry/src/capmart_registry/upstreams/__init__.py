"""Upstreams: other centers whose logs this center follows, relays and mirrors."""
