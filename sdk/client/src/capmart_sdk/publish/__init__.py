"""Publishing: content by digest, then a signed statement, then the review."""

from capmart_sdk.publish.package import Pushed, push_package
from capmart_sdk.publish.statements import publish_statement, state_statement
from capmart_sdk.publish.submit import DECIDED, Published, publish, wait_for_review

__all__ = [
    "DECIDED",
    "Published",
    "Pushed",
    "publish",
    "publish_statement",
    "push_package",
    "state_statement",
    "wait_for_review",
]
