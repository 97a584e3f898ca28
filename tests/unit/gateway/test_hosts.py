from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from capmart_core.identifiers import ComponentId
from capmart_sdk.gateway.hosts import Hosts, host_name, labels
from capmart_sdk.gateway.proxy import request_headers, response_headers
from capmart_sdk.gateway.settings import GatewaySettings

NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True)
COMPONENTS = st.builds(ComponentId, NAMES, NAMES)


def component(text: str) -> ComponentId:
    return ComponentId.parse(text)


def test_an_application_is_at_its_name_and_namespace() -> None:
    assert labels([component("acme/supply-demand")]) == {"supply-demand--acme": component("acme/supply-demand")}


@given(st.sets(COMPONENTS, max_size=20))
def test_every_application_has_one_label_of_its_own_that_dns_allows(components: set[ComponentId]) -> None:
    found = labels(components)
    assert set(found.values()) == components
    assert len(found) == len(components)
    for label in found:
        assert 1 <= len(label) <= 63
        assert label[2:4] != "--"
        assert label.strip("-") == label


def test_two_applications_that_would_share_a_label_do_not() -> None:
    first, second = component("c/a--b"), component("b--c/a")
    assert sorted(map(str, labels([first, second]).values())) == ["b--c/a", "c/a--b"]


def test_only_names_of_ours_are_answered() -> None:
    hosts = Hosts(GatewaySettings(names=("factory.example",)))
    assert hosts.is_gateway("localhost")
    assert hosts.is_gateway("factory.example")
    assert not hosts.is_gateway("evil.example")
    assert hosts.label("oee--acme.factory.example") == "oee--acme"
    assert hosts.label("oee--acme.localhost") == "oee--acme"
    assert hosts.label("oee--acme.evil.example") is None
    assert hosts.label("1.127.0.0.1") is None


def test_a_host_header_is_read_without_its_port() -> None:
    assert host_name("LocalHost:8700") == "localhost"
    assert host_name("[::1]:8700") == "[::1]"
    assert host_name("localhost.") == "localhost"
    assert host_name("user@localhost") is None
    assert host_name("localhost:80:80") != "localhost"
    assert host_name("") is None


@given(st.text(max_size=80))
def test_no_host_header_breaks_the_reader(header: str) -> None:
    name = host_name(header)
    assert name is None or not set(name) & set(" /@?#")


def test_headers_of_one_connection_go_no_further() -> None:
    sent = [(b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"Accept", b"*/*"), (b"X-Forwarded-For", b"forged")]
    assert request_headers(sent) == [(b"Accept", b"*/*")]


def test_a_cookie_stays_on_the_application_s_own_origin() -> None:
    answered = [(b"Set-Cookie", b"session=1; Domain=localhost; Path=/")]
    assert response_headers(answered) == [(b"set-cookie", b"session=1; Path=/")]
