"""For an author's own tests: call an action just as the sandbox does, JSON in and JSON out."""

from __future__ import annotations

import json
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
