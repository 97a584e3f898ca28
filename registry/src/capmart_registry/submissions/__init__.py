"""Submissions: from a signed publish statement through checks and review to a listed release."""
