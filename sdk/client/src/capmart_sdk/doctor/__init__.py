"""What this machine gives, and what to do about what is missing."""

from capmart_sdk.doctor.checks import Check, Level, examine

__all__ = ["Check", "Level", "examine"]
