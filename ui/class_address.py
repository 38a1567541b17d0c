"""The address that a class can open."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping

# Addresses reserved for documentation: no machine has them, so the route to them is the route out of this machine.
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def class_address(host: str, port: int, environment: Mapping[str, str] = os.environ) -> str | None:
    """The address that others can open, or None if only this machine can reach the app.

    Args:
        host: The IP address that the app listens on.
        environment: where a Space names its own address.
    """
    if names := environment.get("SPACE_HOST"):
        return f"https://{names.split(',')[0]}"  # a Space with a domain of its own has several names
    if _is_every(host):
        found = lan_address(socket.AF_INET) or (lan_address(socket.AF_INET6) if ":" in host else None)
        return http_address(found, port) if found else None
    return http_address(host, port) if _is_open_to_others(host) else None


def own_address(host: str, port: int) -> str:
    """The address for a browser on this machine."""
    return http_address("127.0.0.1" if _is_every(host) else host, port)


def http_address(host: str, port: int) -> str:
    """A host and a port as browsers write them."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"


def lan_address(family: socket.AddressFamily) -> str | None:
    """This machine's address in the network, or None if it is not in one.

    A connected datagram socket knows which of the machine's addresses it would send from, without sending anything.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ELSEWHERE[family], 80))
            host = str(probe.getsockname()[0])
    except OSError:  # no route out, or no such family
        return None
    return host if _is_open_to_others(host) else None


def _is_every(host: str) -> bool:
    """Whether the host stands for every address of the machine."""
    return ipaddress.ip_address(host).is_unspecified


def _is_open_to_others(host: str) -> bool:
    """Whether an address leads everyone in the network to this machine, and browsers accept it."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.is_link_local:
        return False  # only valid with the name of a network card
    return not (address.is_loopback or address.is_unspecified)
