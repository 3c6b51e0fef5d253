from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.client import ClientAddress, TrustedProxies
from asgi_audit.errors import ConfigurationError
from tests.hostile import HOSTILE, as_bytes

PEER = ("10.0.0.1", 5)
PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/48"])


def xff(*lines: str) -> list[tuple[bytes, bytes]]:
    """Return headers with these `X-Forwarded-For` lines."""
    return [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]


def forwarded(*lines: str) -> list[tuple[bytes, bytes]]:
    """Return headers with these `Forwarded` lines."""
    return [(b"forwarded", line.encode("latin-1")) for line in lines]


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (("192.0.2.1", 5), ("192.0.2.1", 5)),
        (["192.0.2.1", 5], ("192.0.2.1", 5)),
        (("192.0.2.1", "5"), ("192.0.2.1", 5)),
        (("192.0.2.1", None), ("192.0.2.1", None)),
        (("192.0.2.1", "x"), ("192.0.2.1", None)),
        (("2001:DB8:0::1", 5), ("2001:db8::1", 5)),
        (("::ffff:192.0.2.1", 5), ("192.0.2.1", 5)),
        (("fe80::1%eth0", 5), ("fe80::1", 5)),
        (("testclient", 50000), ("testclient", 50000)),
        (("unix:/run/\x1b.sock", None), ("unix:/run/\\x1B.sock", None)),
        (("", 0), (None, None)),
        ((None, None), (None, None)),
        (("192.0.2.1",), (None, None)),
        ((), (None, None)),
        (None, (None, None)),
        (5, (None, None)),
    ],
)
def test_the_peer(client: Any, expected: tuple[str | None, int | None]) -> None:
    """Servers give tuples, lists, ports as text, nothing for unix sockets; addresses are normalised."""
    assert TrustedProxies().resolve(client, xff("1.1.1.1")) == ClientAddress(*expected, "peer")


@pytest.mark.parametrize(
    ("headers", "ip", "port", "source"),
    [
        ([], "10.0.0.1", 5, "peer"),
        (xff("192.0.2.1"), "192.0.2.1", None, "x-forwarded-for"),
        (xff("192.0.2.1, 10.9.9.9,10.1.1.1"), "192.0.2.1", None, "x-forwarded-for"),
        (xff("6.6.6.6, 192.0.2.1"), "192.0.2.1", None, "x-forwarded-for"),
        (xff("6.6.6.6", "192.0.2.1", "10.1.1.1"), "192.0.2.1", None, "x-forwarded-for"),
        (xff("10.2.2.2, 10.1.1.1"), "10.2.2.2", None, "x-forwarded-for"),
        (xff("192.0.2.1:4711"), "192.0.2.1", 4711, "x-forwarded-for"),
        (xff("[2001:db8::1]:4711"), "2001:db8::1", 4711, "x-forwarded-for"),
        (xff("[2001:db8::1]"), "2001:db8::1", None, "x-forwarded-for"),
        (xff("2001:db8::1, 2001:db8:1::5"), "2001:db8::1", None, "x-forwarded-for"),
        (xff("::ffff:192.0.2.1, ::ffff:10.1.1.1"), "192.0.2.1", None, "x-forwarded-for"),
        (xff("fe80::1%eth0"), "fe80::1", None, "x-forwarded-for"),
        (xff("6.6.6.6, unknown, 10.1.1.1"), "10.1.1.1", None, "x-forwarded-for"),
        (xff("6.6.6.6, <b>"), "10.0.0.1", 5, "peer"),
        (xff("6.6.6.6,"), "10.0.0.1", 5, "peer"),
        (xff(""), "10.0.0.1", 5, "peer"),
        (xff("192.0.2.1:99999"), "10.0.0.1", 5, "peer"),
        (xff("192.0.2.01"), "10.0.0.1", 5, "peer"),
        (xff("1" * 200), "10.0.0.1", 5, "peer"),
        (forwarded("for=192.0.2.1;proto=http;by=203.0.113.43"), "192.0.2.1", None, "forwarded"),
        (forwarded('For="[2001:db8::1]:4711"'), "2001:db8::1", 4711, "forwarded"),
        (forwarded('for="192.0.2.1:_port"'), "192.0.2.1", None, "forwarded"),
        (forwarded("for=6.6.6.6, for=192.0.2.1 , for=10.1.1.1"), "192.0.2.1", None, "forwarded"),
        (forwarded("for=6.6.6.6", "for=192.0.2.1"), "192.0.2.1", None, "forwarded"),
        (forwarded('for=192.0.2.1;host="a,b", for="10.1.1.1"'), "192.0.2.1", None, "forwarded"),
        (forwarded('for=6.6.6.6, for="192.0.2\\.1"'), "192.0.2.1", None, "forwarded"),
        (forwarded("for=6.6.6.6, for=unknown, for=10.1.1.1"), "10.1.1.1", None, "forwarded"),
        (forwarded("for=6.6.6.6, for=_hidden"), "10.0.0.1", 5, "peer"),
        (forwarded('for="6.6.6.6, for=192.0.2.1'), "192.0.2.1", None, "forwarded"),
        (forwarded('for="6.6.6.6, for=10.2.2.2'), "10.2.2.2", None, "forwarded"),
        (forwarded("for=6.6.6.6;for=7.7.7.7"), "10.0.0.1", 5, "peer"),
        (forwarded("proto=https"), "10.0.0.1", 5, "peer"),
        (forwarded("for=192.0.2.1;x=" + "y" * 5000), "10.0.0.1", 5, "peer"),
        (forwarded("for=2001:db8::1"), "10.0.0.1", 5, "peer"),
        ([*forwarded("for=6.6.6.6"), *xff("192.0.2.1")], "192.0.2.1", None, "x-forwarded-for"),
        ([(b"X-Forwarded-For", b"192.0.2.1")], "192.0.2.1", None, "x-forwarded-for"),
        ([("x-forwarded-for", "6.6.6.6"), 5, (b"x-forwarded-for",)], "10.0.0.1", 5, "peer"),
    ],
)
def test_the_walk(headers: Any, ip: str, port: int | None, source: str) -> None:
    """From right to left over trusted hops; the walk ends at the client, or before what cannot be read."""
    assert PROXIES.resolve(PEER, headers) == ClientAddress(ip, port, source)


def test_an_untrusted_peer_is_the_client() -> None:
    """Whoever connects from elsewhere may claim what he likes."""
    assert PROXIES.resolve(("192.0.2.9", 1), xff("10.0.0.1")) == ClientAddress("192.0.2.9", 1, "peer")
    assert PROXIES.resolve(("testclient", 1), xff("192.0.2.1")).source == "peer"


@pytest.mark.parametrize("client", [None, ("", 0), ("unix:/run/app.sock", None), ("/run/app.sock", None)])
def test_a_unix_socket_is_trusted_by_its_own_word(client: Any) -> None:
    """A peer without an address is trusted by "unix" or "*" alone."""
    for proxies, source in ((["unix"], "x-forwarded-for"), (["*"], "x-forwarded-for"), (["0.0.0.0/0", "::/0"], "peer")):
        assert TrustedProxies(proxies).resolve(client, xff("192.0.2.1")).source == source


def test_a_star_trusts_every_hop() -> None:
    """The leftmost hop is taken then, up to the thirty-second from the right."""
    everyone = TrustedProxies(["*"])
    assert everyone.resolve(("testclient", 1), xff("192.0.2.1, 6.6.6.6")).ip == "192.0.2.1"
    many = ", ".join(f"192.0.2.{number}" for number in range(100))
    assert everyone.resolve(PEER, xff(many)).ip == "192.0.2.68"
    assert everyone.resolve(PEER, xff(*many.split(", "))).ip == "192.0.2.68"


def test_a_named_header_is_the_only_one_read() -> None:
    """Behind a proxy that writes one header, the other is the client's to forge."""
    both = [*forwarded("for=192.0.2.1"), *xff("192.0.2.2")]
    assert TrustedProxies(["*"], header="forwarded").resolve(PEER, both).ip == "192.0.2.1"
    assert TrustedProxies(["*"], header="x-forwarded-for").resolve(PEER, both).ip == "192.0.2.2"
    assert TrustedProxies(["*"], header="forwarded").resolve(PEER, xff("192.0.2.2")).source == "peer"


def test_headers_that_can_be_read_once_are_left_to_the_application() -> None:
    """The specification allows any iterable; exhausting it would change what the application sees."""
    headers = iter(xff("192.0.2.1"))
    assert PROXIES.resolve(PEER, headers).source == "peer"
    assert len(list(headers)) == 1


@pytest.mark.parametrize(
    "proxies", ["10.0.0.0/8", ["proxy.example"], ["10.0.0.1/8"], [""], [5], ["::ffff:10.0.0.0/104"], ["10.0.0.0/33"]]
)
def test_proxies_that_cannot_match_are_refused(proxies: Iterable[str]) -> None:
    """Host names, networks with host bits, one string instead of a list."""
    with pytest.raises(ConfigurationError) as caught:
        TrustedProxies(proxies)
    assert caught.value.argument == "trusted_proxies"


def test_a_header_that_is_not_read_is_refused() -> None:
    """Only the two headers that carry a chain can be named."""
    with pytest.raises(ConfigurationError, match="x-real-ip"):
        TrustedProxies(["*"], header="x-real-ip")  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"x-forwarded-for", b"forwarded"]),
            st.binary() | st.text(st.sampled_from('for=",;[]:.1 _\\')).map(str.encode),
        )
    )
)
def test_any_header_is_survived(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever a client sends, an address comes out and nothing is raised."""
    assert TrustedProxies(["*"]).resolve(PEER, headers).ip is not None


def test_hostile_hops_never_become_an_address() -> None:
    """Of the corpus, nothing that is no address is recorded as one, and what it precedes is still found."""
    for _, value in HOSTILE:
        raw = as_bytes(value)
        assert TrustedProxies(["*"]).resolve(PEER, [(b"x-forwarded-for", raw)]).source == "peer"
        assert PROXIES.resolve(PEER, [(b"x-forwarded-for", raw + b",192.0.2.1")]).ip == "192.0.2.1"
        assert PROXIES.resolve(PEER, [(b"forwarded", raw[:4000] + b",for=192.0.2.1")]).ip == "192.0.2.1"


def test_a_client_cannot_reach_into_a_proxys_element() -> None:
    """A quoted parameter that the client chose is no place to put an element in."""
    line = 'for=192.0.2.1;host="x, for=6.6.6.6;y=";proto=http'
    assert PROXIES.resolve(PEER, forwarded(line)).ip != "6.6.6.6"
