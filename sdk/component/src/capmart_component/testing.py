"""For an author's own tests: call an action just as the sandbox does, JSON in and JSON out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capmart_component._collect import collect


def call(source: Any, action: str, value: Any) -> Any:
    """Run one action of a module, class or instance on a JSON value and return its JSON result.

    Input and result go through JSON text, so that what has no JSON form fails here and not in the sandbox.

    Raises:
        KeyError: there is no such action; lists those there are.
        ActionError: the action, or its declared type, refuses the input.
        ResultError: the action returned something else than it declares.
        DeclarationError: see :func:`capmart_component.collect`.
    """
    actions = collect(source)
    if action not in actions:
        raise KeyError(f"no action {action!r}; there are: {', '.join(actions)}")
    given = json.loads(json.dumps(value, allow_nan=False))
    return json.loads(json.dumps(actions[action].call(given), allow_nan=False))


@contextmanager
def serving(source: Any, pages: Path | None = None) -> Iterator[str]:
    """Serve an application's actions and page on a free port while the block runs; gives its address.

    Raises:
        DeclarationError: see :func:`capmart_component.collect`.
    """
    from capmart_component.web import Application  # noqa: PLC0415 -- only applications need it

    with Application(source, pages, port=0) as application:
        thread = threading.Thread(target=application.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{application.server_address[1]}"
        finally:
            application.shutdown()
            thread.join()
