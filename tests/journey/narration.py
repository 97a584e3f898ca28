"""What the journey says: numbered steps in one of two languages, what was verified, and how long each took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from capmart_core.text import Language


class Narrator:
    """Writes to stdout.

    Args:
        language: of everything it says.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self.steps = 0
        self._started = time.monotonic()

    def say(self, en: str, zh: str) -> None:
        """One line below the current step."""
        self._write(f"     {self.choose(en, zh)}")

    def checked(self, en: str, zh: str) -> None:
        """Something that was verified."""
        self._write(f"   ✓ {self.choose(en, zh)}")

    def heading(self, en: str, zh: str) -> None:
        """A new part of the journey."""
        self._write(f"\n{self.choose(en, zh)}")

    @contextmanager
    def step(self, en: str, zh: str) -> Iterator[None]:
        """One step; its time is told when it is done."""
        self.steps += 1
        self._write(f"\n{self.steps:3}. {self.choose(en, zh)}")
        before = time.monotonic()
        yield
        self._write(f"     {time.monotonic() - before:.1f} s")

    def finish(self) -> None:
        """The whole time."""
        seconds = time.monotonic() - self._started
        self._write("\n" + self.choose(f"The whole journey took {seconds:.1f} s.", f"全程用时 {seconds:.1f} 秒。"))

    def choose(self, en: str, zh: str) -> str:
        """The text in the language in use."""
        return zh if self.language == "zh" else en

    def _write(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
