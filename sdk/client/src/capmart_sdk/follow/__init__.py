"""Following a center's log: fetch what is new, verify it, judge it, commit it in one transaction."""

from capmart_sdk.follow.follower import Follower, prove_inclusion
from capmart_sdk.follow.http_source import HttpLogSource
from capmart_sdk.follow.node_store import Alarm, NodeStore, Refusal
from capmart_sdk.follow.ports import Batch, FollowStore, LogSource, LogState

__all__ = [
    "Alarm",
    "Batch",
    "FollowStore",
    "Follower",
    "HttpLogSource",
    "LogSource",
    "LogState",
    "NodeStore",
    "Refusal",
    "prove_inclusion",
]
