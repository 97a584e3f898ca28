"""Who is calling: an account with the scopes that its roles and its token leave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["developer", "reviewer", "admin"]
Scope = Literal["read", "push", "publish", "namespace", "review", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)

SCOPES_OF: dict[Role, frozenset[Scope]] = {
    "developer": frozenset({"read", "push", "publish", "namespace"}),
    "reviewer": frozenset({"read", "review"}),
    "admin": frozenset(SCOPES),
}


@dataclass(frozen=True)
class Principal:
    """An authenticated caller.

    Attributes:
        organisation: its stable name; owns namespaces.
        scopes: what this request may do: those of the token that the account's roles still allow.
        token: id of the token used; None for a password.
    """

    account_id: int
    account: str
    organisation: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    token: str | None = None

    @property
    def reviews(self) -> bool:
        """Whether it may see what is not listed yet."""
        return bool(self.scopes & {"review", "admin"})

    def describe(self) -> str:
        """For messages and logs; no secret."""
        return f"account {self.account}" + (f", token {self.token}" if self.token else "")


def scopes_of(roles: frozenset[Role]) -> frozenset[Scope]:
    """Every scope that ``roles`` allow."""
    return frozenset().union(*(SCOPES_OF[role] for role in roles))
