"""What of an upstream is let into this catalog. Every entry is followed; filters only choose what is shown and kept."""

from __future__ import annotations

from dataclasses import dataclass

from capmart_core import taxonomy
from capmart_core.errors import InvalidRequest
from capmart_core.identifiers import check_namespace
from capmart_core.ledger import ReleasePublished
from capmart_registry.upstreams.models import Upstream


@dataclass(frozen=True)
class Filters:
    """Codes of which a release must have one; empty lets everything through.

    A release that names no industry (or no scenario) is meant for all of them, and is let in.
    """

    kinds: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    @classmethod
    def of(cls, upstream: Upstream) -> Filters:
        """Those of an upstream."""
        return cls(
            tuple(upstream.kinds), tuple(upstream.industries), tuple(upstream.scenarios), tuple(upstream.namespaces)
        )

    def lets_in(self, published: ReleasePublished) -> bool:
        """Whether a release passes."""
        return self.fits(published.kind, published.industries, published.scenarios, published.namespace)

    def fits(self, kind: str, industries: tuple[str, ...], scenarios: tuple[str, ...], namespace: str) -> bool:
        """Whether these facets pass."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.industries or not industries or bool(set(industries) & set(self.industries)))
            and (not self.scenarios or not scenarios or bool(set(scenarios) & set(self.scenarios)))
            and (not self.namespaces or namespace in self.namespaces)
        )

    def check(self) -> None:
        """Refuse codes that no taxonomy here knows, so that a typing error does not hide everything.

        Raises:
            InvalidRequest: names the codes.
            InvalidIdentifier: a namespace is not well formed.
        """
        known = {
            "kind": {group.code for group in taxonomy.load("subkinds").groups},
            "industry": set(taxonomy.load("industries").codes()),
            "scenario": set(taxonomy.load("scenarios").codes()),
        }
        given = {"kind": self.kinds, "industry": self.industries, "scenario": self.scenarios}
        for name, codes in given.items():
            wrong = sorted(set(codes) - known[name])
            if wrong:
                shown = ", ".join(sorted(known[name]))
                raise InvalidRequest(where=name, reason=f"unknown: {', '.join(wrong)}; known: {shown}")
        for namespace in self.namespaces:
            check_namespace(namespace)


EVERYTHING = Filters()
