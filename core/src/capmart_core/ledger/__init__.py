"""The ledger: what the entries of logs mean. One rule set for home center, downstream center and node.

:func:`interpret` judges one entry against what is known so far (a :class:`LedgerView`) and returns the changes that
follow; :func:`after` applies a change to a fact. Both are pure. :class:`Overlay` strings them together over many
entries, and :func:`judge` is for entries that are in a log already: it records a refusal instead of raising it.
"""

from capmart_core.ledger.changes import (
    Change,
    KeyAdded,
    KeyRevokedFrom,
    ListingChanged,
    NamespaceGranted,
    NamespaceTransferred,
    ReleasePublished,
    ReleaseStateChanged,
)
from capmart_core.ledger.facts import (
    EQUIVOCATION,
    PUBLISHER,
    KeyFact,
    LedgerView,
    Mark,
    NamespaceFact,
    ReleaseFact,
    ReleaseState,
    decode_release,
    encode_release,
)
from capmart_core.ledger.overlay import Overlay, Verdict, after, judge
from capmart_core.ledger.rules import interpret

__all__ = [
    "EQUIVOCATION",
    "PUBLISHER",
    "Change",
    "KeyAdded",
    "KeyFact",
    "KeyRevokedFrom",
    "LedgerView",
    "ListingChanged",
    "Mark",
    "NamespaceFact",
    "NamespaceGranted",
    "NamespaceTransferred",
    "Overlay",
    "ReleaseFact",
    "ReleasePublished",
    "ReleaseState",
    "ReleaseStateChanged",
    "Verdict",
    "after",
    "decode_release",
    "encode_release",
    "interpret",
    "judge",
]
