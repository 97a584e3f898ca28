"""``python -m tests.journey run`` walks the journey and ends; ``serve`` leaves both centers up until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from capmart_sdk.console import resolve_language
from tests.journey.narration import Narrator
from tests.journey.travel import DEVELOPER_PASSWORD, REVIEWER_PASSWORD, Journey


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.journey")
    parser.add_argument("what", choices=("run", "serve"))
    parser.add_argument("--lang", choices=("zh", "en"))
    parser.add_argument("--folder", type=Path, default=Path("run"))
    options = parser.parse_args()
    narrator = Narrator(options.lang or resolve_language([], os.environ))
    journey = Journey(options.folder.absolute(), narrator)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        journey.travel()
        narrator.finish()
        if options.what == "serve":
            _stay(journey, narrator)
    except KeyboardInterrupt:
        return 130
    finally:
        journey.stop()
    return 0


def _stay(journey: Journey, narrator: Narrator) -> None:
    for center in (journey.province, journey.brain):
        if center is not None:
            narrator.heading(f"{center.origin}: {center.url}/", f"{center.origin}：{center.url}/")
            narrator.say(f"sign in: admin / {center.admin_password}", f"登录：admin / {center.admin_password}")
    narrator.say(
        f"at the province also: developer / {DEVELOPER_PASSWORD}, reviewer / {REVIEWER_PASSWORD}",
        f"省级中心另有：developer / {DEVELOPER_PASSWORD}，reviewer / {REVIEWER_PASSWORD}",
    )
    narrator.say("Ctrl-C ends both.", "按 Ctrl-C 结束。")
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
