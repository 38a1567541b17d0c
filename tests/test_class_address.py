"""The address for the class, found without asking the network."""

from __future__ import annotations

import ipaddress
import socket
from types import ModuleType

import pytest

import ui.class_address
from ui.class_address import class_address, http_address, lan_address, own_address

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """A machine whose addresses in the network are the ones put in here, by family."""
    addresses: dict[int, str] = {}
    monkeypatch.setattr(ui.class_address, "lan_address", addresses.get)
    monkeypatch.delenv("SPACE_HOST", raising=False)
    return addresses


def test_who_listens_everywhere_is_at_the_machines_address(network: dict[int, str]) -> None:
    network[V4] = "192.168.1.20"
    assert class_address("0.0.0.0", 7860) == "http://192.168.1.20:7860"
    assert class_address("::", 7860) == "http://192.168.1.20:7860"


def test_ipv6_serves_where_there_is_nothing_shorter(network: dict[int, str]) -> None:
    network[V6] = "2001:db8::20"
    assert class_address("::", 7860) == "http://[2001:db8::20]:7860"
    assert class_address("0.0.0.0", 7860) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_machine_in_no_network_has_no_address_for_others(network: dict[int, str], host: str) -> None:
    assert class_address(host, 7860) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.1.1", "::1", "fe80::1%2"])
def test_what_others_cannot_open_is_not_given_out(network: dict[int, str], host: str) -> None:
    network[V4] = "192.168.1.20"
    assert class_address(host, 7860) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [("10.0.0.5", "http://10.0.0.5:8000"), ("2001:db8::5", "http://[2001:db8::5]:8000"), ("169.254.7.7", "http://169.254.7.7:8000")],
)
def test_one_address_to_listen_on_is_the_one_given_out(network: dict[int, str], host: str, address: str) -> None:
    network[V4] = "192.168.1.20"
    assert class_address(host, 8000) == address
    assert own_address(host, 8000) == address


def test_a_space_is_at_its_first_name(network: dict[int, str]) -> None:
    network[V4] = "10.20.30.40"
    assert class_address("0.0.0.0", 7860, {"SPACE_HOST": "illyria-soliloquy.hf.space"}) == "https://illyria-soliloquy.hf.space"
    assert class_address("0.0.0.0", 7860, {"SPACE_HOST": "a-b.hf.space,gpt.example.org"}) == "https://a-b.hf.space"


def test_a_browser_on_this_machine_needs_no_network() -> None:
    assert own_address("0.0.0.0", 7860) == own_address("::", 7860) == own_address("127.0.0.1", 7860) == "http://127.0.0.1:7860"
    assert own_address("::1", 7860) == "http://[::1]:7860"


def test_only_the_port_that_browsers_take_anyway_is_left_out() -> None:
    assert http_address("192.168.1.20", 80) == "http://192.168.1.20"
    assert http_address("192.168.1.20", 443) == "http://192.168.1.20:443"
    assert http_address("2001:db8::5", 80) == "http://[2001:db8::5]"


@pytest.mark.parametrize("family", [V4, V6])
def test_the_machines_address_is_one_of_its_own(family: socket.AddressFamily) -> None:
    address = lan_address(family)
    if address is None:
        pytest.skip("this machine is in no such network")
    assert not ipaddress.ip_address(address).is_loopback
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        own.bind((address, 0))  # refused for addresses of other machines


class Probe:
    """A socket that finds a way out with one address, or none."""

    def __init__(self, address: str | None):
        self.address = address

    def __call__(self, family: int, kind: int) -> Probe:
        assert kind == socket.SOCK_DGRAM
        return self

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, _: tuple[str, int]) -> None:
        if self.address is None:
            raise OSError("Network is unreachable")

    def getsockname(self) -> tuple[str | None, int]:
        return self.address, 50_000


@pytest.mark.parametrize(
    ("own", "found"), [("192.168.1.20", "192.168.1.20"), (None, None), ("127.0.0.1", None), ("0.0.0.0", None), ("fe80::1", None)]
)
def test_a_way_out_gives_the_address_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch, own: str | None, found: str | None) -> None:
    fake = ModuleType("socket")
    fake.__dict__.update(socket.__dict__ | {"socket": Probe(own)})
    monkeypatch.setattr(ui.class_address, "socket", fake)
    assert lan_address(V4) == found
