"""The client's address, through proxies that are trusted.

Everything in a forwarding header to the left of what the nearest trusted proxy wrote may be forged, so the walk goes
from right to left: from the peer to the hop it vouches for, and on as long as the hop reached is trusted, too. It stops
at the first hop that is not trusted: the client. It also stops before a hop that cannot be read (garbage, `unknown`, an
obfuscated `_name`), because whatever stands to the left of that came from somebody unknown; the last hop reached is
recorded then, which is the nearest address that a trusted proxy vouches for.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal

import msgspec

from asgi_audit.errors import ConfigurationError
from asgi_audit.escape import escape

PEER: Final = "peer"
X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"

_MOST_HOPS: Final = 32
_LONGEST_HOP: Final = 128
_LONGEST_FORWARDED: Final = 4096
_LONGEST_HOST: Final = 256
_REMEDY: Final = 'use addresses, networks in CIDR form, "unix" for unix sockets or "*" for every hop'

_NODE: Final = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::(\d{1,5}|_[\w.-]+))?", re.ASCII)
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR: Final = rf'({_WORD})[ \t]*=[ \t]*({_WORD}|"(?:[^"\\]|\\.)*+")'
_ELEMENT: Final = re.compile(rf"[ \t]*{_PAIR}(?:[ \t]*;[ \t]*(?:{_PAIR})?)*+[ \t]*")
_PAIRS: Final = re.compile(_PAIR)
_QUOTED_PAIR: Final = re.compile(r"\\(.)")

Hop = tuple[IPv4Address | IPv6Address, int | None]


class ClientAddress(msgspec.Struct, frozen=True, gc=False):
    """Where a request comes from, and how we know: `peer`, `x-forwarded-for` or `forwarded`."""

    ip: str | None
    port: int | None
    source: str


class TrustedProxies:
    """The proxies whose word on the client's address is taken: addresses, networks, `"unix"`, or `"*"` for every hop.

    By default `X-Forwarded-For` is read and, only on requests without it, `Forwarded`. A proxy that writes one of them
    usually passes the other on as the client sent it; a proxy that writes `X-Forwarded-For` is therefore safe behind
    the default. For one that writes only `Forwarded`, pass `header="forwarded"`: then the other is never read.
    """

    def __init__(
        self, proxies: Iterable[str] = (), *, header: Literal["x-forwarded-for", "forwarded"] | None = None
    ) -> None:
        if isinstance(proxies, str):
            raise ConfigurationError("trusted_proxies", proxies, "pass a list, not one string")
        if header not in (None, X_FORWARDED_FOR, FORWARDED):
            raise ConfigurationError("header", header, f'use "{X_FORWARDED_FOR}" or "{FORWARDED}", or leave it out')
        entries = list(proxies)
        self._header = header
        self._all = "*" in entries
        self._unix = self._all or "unix" in entries
        self._networks = tuple(_network(entry) for entry in entries if entry not in ("*", "unix"))
        self.any = bool(entries)  # whether there are any: else the headers are not read

    def resolve(self, client: Sequence[object] | None, headers: object) -> ClientAddress:
        """Return the address for a scope's `client` and `headers`; never raises, whatever a client sends.

        The headers are read only if the peer is trusted, and only if they are a list or tuple: the iterable may be the
        application's to exhaust.
        """
        peer = _peer(client)
        if not self.any or not isinstance(headers, (list, tuple)) or not self._trusts_peer(peer.ip):
            return peer
        hops, source = self._hops(headers)
        reached: Hop | None = None
        for hop in hops:
            if hop is None:
                break
            reached = hop
            if not self._trusts(hop[0]):
                break
        return peer if reached is None else ClientAddress(str(reached[0]), reached[1], source)

    def _trusts_peer(self, host: str | None) -> bool:
        if host is None or host.startswith(("/", "unix:")):
            return self._unix
        address = _address(host)
        return self._all if address is None else self._trusts(address)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return self._all or any(address in network for network in self._networks)

    def _hops(self, headers: Sequence[object]) -> tuple[Iterator[Hop | None], str]:
        for source, read in ((X_FORWARDED_FOR, _x_forwarded_for), (FORWARDED, _forwarded)):
            if self._header in (None, source) and (lines := _lines(headers, source.encode())):
                return _bounded(line_hops for line in reversed(lines) for line_hops in read(line)), source
        return iter(()), PEER


def _network(entry: object) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(entry) if isinstance(entry, str) else None
    except ValueError:
        network = None
    if network is None:
        raise ConfigurationError("trusted_proxies", entry, _REMEDY)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ConfigurationError("trusted_proxies", entry, "write the network in its IPv4 form")
    return network


def _peer(client: Sequence[object] | None) -> ClientAddress:
    try:
        host, port = client  # type: ignore[misc]  # servers send tuples, lists, None, and other lengths are refused here
    except (TypeError, ValueError):
        return ClientAddress(None, None, PEER)
    if not isinstance(host, str) or not host:
        return ClientAddress(None, None, PEER)
    if type(port) is not int:
        port = int(port) if isinstance(port, str) and port.isascii() and port.isdigit() and len(port) < 6 else None
    if ":" in host:
        host = _normal(host)
    return ClientAddress(host, port, PEER)


@lru_cache(maxsize=1024)
def _normal(host: str) -> str:
    address = _address(host)
    return escape(host, _LONGEST_HOST) if address is None else str(address)


@lru_cache(maxsize=1024)
def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])  # a zone says something on the proxy's machine only
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def _lines(headers: Sequence[object], name: bytes) -> list[str]:
    lines = []
    for header in headers:
        match header:
            case (bytes() as key, bytes() as value) if key.lower() == name:
                lines.append(value.decode("latin-1"))
    return lines


def _bounded(hops: Iterable[Hop | None]) -> Iterator[Hop | None]:
    return (hop for hop, _ in zip(hops, range(_MOST_HOPS), strict=False))


def _x_forwarded_for(line: str) -> Iterator[Hop | None]:
    return (_node(hop.strip(" \t")) for hop in reversed(line.rsplit(",", _MOST_HOPS)))


def _forwarded(line: str) -> Iterator[Hop | None]:
    """Yield the `for` nodes from right to left. A quoted string may hold commas, so a piece that is no element on its
    own is read together with what stands to its left; what a client left unclosed spoils nothing to its right.
    """
    pieces = line.rsplit(",", _MOST_HOPS) if len(line) <= _LONGEST_FORWARDED else [""]
    rest = ""
    for piece in reversed(pieces):
        rest = piece + rest
        if _ELEMENT.fullmatch(rest) is None:
            rest = "," + rest
            continue
        nodes = [value for key, value in _PAIRS.findall(rest) if key.lower() == "for"]
        rest = ""
        node = nodes[0] if len(nodes) == 1 else ""
        yield _node(_QUOTED_PAIR.sub(r"\1", node[1:-1]) if node.startswith('"') else node)
    if rest:
        yield None


def _node(text: str) -> Hop | None:
    """Return the address and port of one hop, None if it names none."""
    if len(text) > _LONGEST_HOP:
        return None
    if (match := _NODE.fullmatch(text)) is None:
        address, port = _address(text), None
    else:
        address = _address(match[1] or match[2])
        port = int(match[3]) if match[3] and match[3].isdigit() else None
    if address is None or (port is not None and port > 65535):
        return None
    return address, port
