"""A node: the folder where components are installed, verified and run."""

from capmart_sdk.node.lock import Lock, LockedComponent
from capmart_sdk.node.node import Node
from capmart_sdk.node.plan import Plan, PlannedRelease, Wanted
from capmart_sdk.node.verify import Verification

__all__ = ["Lock", "LockedComponent", "Node", "Plan", "PlannedRelease", "Verification", "Wanted"]
