"""The command ``capmart``."""

from capmart_sdk.cli.main import build_app, main

__all__ = ["build_app", "main"]
