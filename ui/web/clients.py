"""Who a client is: what bounds per client count, and what the log names."""

from __future__ import annotations

import ipaddress
import os

from starlette.requests import HTTPConnection

ON_A_SPACE = "SPACE_ID" in os.environ  # connections then come from the Space's own proxy
SHOWN_CHARS = 100  # of a host that is no address
IPV6_NETWORK = 64  # bits of a household's or a class's network


def client_of(http: HTTPConnection) -> str:
    """The host that a connection comes from; on a Space, the one that its proxy names at the end of X-Forwarded-For."""
    host = http.client.host if http.client else ""
    if ON_A_SPACE:  # everything before the last comma was sent by the client itself
        host = ",".join(http.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip() or host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:SHOWN_CHARS]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:  # where one socket listens for both
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
    return host
