"""What an extension may add to a center: plain functions marked with ``capmart_core.hooks.hookimpl``.

::

    [project.entry-points."capmart.extensions"]
    my-province = "my_province.extension"

The checks that come with Capmart are implementations of the same hook, registered with the same manager.
"""

from __future__ import annotations

from collections.abc import Iterable

from capmart_core.hooks import hookspec
from capmart_registry.hooks.subject import CheckSubject, Finding, Measurement


@hookspec
def capmart_check(subject: CheckSubject) -> Iterable[Finding | Measurement]:  # type: ignore[empty-body]
    """Look at a submission and say what was found; nothing found means nothing to say.

    Called once for each run of the checks, by ``capmart center worker``, never by the web process, and again from the
    beginning when a worker was killed. A finding of severity ``error`` blocks the listing. An implementation that
    raises has failed to decide, and that blocks the listing too.

    Args:
        subject: the submission, its manifest and its package, and what is known of the catalog.
    """
