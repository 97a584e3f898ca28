"""The client of a center: its API, typed, and its content by digest."""

from capmart_sdk.client.center import CenterClient
from capmart_sdk.client.models import (
    CenterInfo,
    ComponentPage,
    ComponentSummary,
    Finding,
    NamespacePage,
    ReleaseSummary,
    SearchPage,
    Submission,
    WhoAmI,
)
from capmart_sdk.client.oci import Repository

__all__ = [
    "CenterClient",
    "CenterInfo",
    "ComponentPage",
    "ComponentSummary",
    "Finding",
    "NamespacePage",
    "ReleaseSummary",
    "Repository",
    "SearchPage",
    "Submission",
    "WhoAmI",
]
