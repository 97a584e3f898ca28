from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from capmart_core.errors import (
    InvalidIdentifier,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    StateConflict,
)
from capmart_registry.accounts import service as accounts
from capmart_registry.accounts.principal import SCOPES_OF
from capmart_registry.center import Center
from tests.support.registry import SmallCenter

PASSWORD = "correct horse battery"


@pytest.fixture
def center(tmp_path: Path) -> Iterator[Center]:
    with SmallCenter(tmp_path / "center") as small:
        with small.center.db.write() as session:
            accounts.create_organisation(session, "acme", title_zh="甲", title_en="Acme", uscc="91330000MA27XXXX0X")
            accounts.create_account(session, "dev", organisation_name="acme", roles=["developer"], password=PASSWORD)
        yield small.center


def test_given_a_name_taken_when_registered_again_then_refused(center: Center) -> None:
    with center.db.write() as session:
        with pytest.raises(StateConflict):
            accounts.create_organisation(session, "acme", title_zh="乙", title_en="Other")
        with pytest.raises(StateConflict):
            accounts.create_account(session, "dev", organisation_name="acme", roles=["developer"])


@pytest.mark.parametrize("name", ["", "Acme", "a b", "-a", "a" * 65, "ac/me", "аcme"])
def test_given_a_name_not_well_formed_when_registered_then_refused(center: Center, name: str) -> None:
    with center.db.write() as session:
        with pytest.raises(InvalidIdentifier):
            accounts.create_organisation(session, name, title_zh="乙", title_en="Other")
        with pytest.raises(InvalidIdentifier):
            accounts.create_account(session, name, organisation_name="acme", roles=["developer"])


def test_given_a_credit_code_with_a_letter_it_never_has_when_registered_then_refused(center: Center) -> None:
    with center.db.write() as session, pytest.raises(InvalidIdentifier):
        accounts.create_organisation(session, "other", title_zh="乙", title_en="Other", uscc="91330000MA27XXXX0I")


def test_given_no_such_organisation_or_role_or_a_short_password_when_creating_then_refused(center: Center) -> None:
    with center.db.write() as session:
        with pytest.raises(NotFound):
            accounts.create_account(session, "a", organisation_name="none", roles=["developer"])
        with pytest.raises(InvalidRequest):
            accounts.create_account(session, "a", organisation_name="acme", roles=[])
        with pytest.raises(InvalidRequest):
            accounts.create_account(session, "a", organisation_name="acme", roles=["developer"], password="short")


def test_given_a_role_when_a_token_asks_for_more_then_refused(center: Center) -> None:
    with center.db.write() as session:
        owner = accounts.account(session, "dev")
        for scope in ("review", "admin"):
            with pytest.raises(NotAllowed):
                accounts.create_token(session, center, owner, scopes=[scope], label="x")
        with pytest.raises(InvalidRequest):
            accounts.create_token(session, center, owner, scopes=[], label="x")
        with pytest.raises(InvalidRequest):
            accounts.create_token(session, center, owner, scopes=["read"], label="x", life=timedelta(0))


def test_given_a_role_taken_away_when_an_old_token_is_used_then_it_has_lost_the_scope(center: Center) -> None:
    with center.db.write() as session:
        owner = accounts.create_account(session, "both", organisation_name="acme", roles=["developer", "reviewer"])
        _, secret = accounts.create_token(session, center, owner, scopes=["push", "review"], label="x")
    assert accounts.principal_of_token(center, secret).scopes == {"push", "review"}
    with center.db.write() as session:
        row = accounts.account(session, "both")
        row.roles = "developer"
        session.add(row)
    assert accounts.principal_of_token(center, secret).scopes == {"push"}


def test_given_a_sign_in_when_the_password_changes_then_it_ends(center: Center) -> None:
    secret = accounts.sign_in(center, "dev", PASSWORD)
    assert accounts.principal_of_token(center, secret).scopes == SCOPES_OF["developer"]
    with center.db.write() as session:
        accounts.set_password(session, "dev", "another long password")
    with pytest.raises(NotAuthenticated):
        accounts.principal_of_token(center, secret)
    with pytest.raises(NotAuthenticated):
        accounts.sign_in(center, "dev", PASSWORD)
    again = accounts.sign_in(center, "dev", "another long password")
    accounts.sign_out(center, again)
    accounts.sign_out(center, "cap_unknown")
    with pytest.raises(NotAuthenticated):
        accounts.principal_of_token(center, again)


def test_given_an_account_without_password_when_signing_in_with_any_then_refused(center: Center) -> None:
    with center.db.write() as session:
        accounts.create_account(session, "robot", organisation_name="acme", roles=["developer"])
    for password in ("", "x" * 20):
        with pytest.raises(NotAuthenticated):
            accounts.principal_of_password(center, "robot", password)


def test_given_a_token_of_another_when_revoking_as_oneself_then_it_is_not_found(center: Center) -> None:
    with center.db.write() as session:
        owner = accounts.account(session, "dev")
        accounts.create_account(session, "eve", organisation_name="acme", roles=["developer"])
        row, secret = accounts.create_token(session, center, owner, scopes=["read"], label="x")
        with pytest.raises(NotFound):
            accounts.revoke_token(session, row.id, owner="eve")
        with pytest.raises(NotFound):
            accounts.revoke_token(session, "none")
    assert accounts.principal_of_token(center, secret).account == "dev"
