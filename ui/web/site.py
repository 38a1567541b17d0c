"""Where the app is reached: the names it answers to, the proxies before it, and the address that they serve it at."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from model.errors import ParameterError
from ui.web.clients import EVERY_PROXY, Proxies, as_prefix
from ui.web.hosts import names_of_this_machine, split_host


@dataclass(frozen=True)
class Site:
    """Where the app is reached.

    Attributes:
        names: it answers to these hosts, and to every address.
        proxies: that are trusted.
        prefix: the path at which a proxy serves the app, as /gpt; "" for the root.
        origin: of its address in browsers, as https://example.org, if it was given.
    """

    names: Collection[str] = field(default_factory=names_of_this_machine)
    proxies: Proxies = field(default_factory=Proxies)
    prefix: str = ""
    origin: str = ""

    @property
    def address(self) -> str:
        """Its address in browsers; "" if it was not given."""
        return f"{self.origin}{self.prefix}/" if self.origin else ""


def make_site(
    host: str,
    root_path: str = "",
    allow_hosts: Collection[str] = (),
    trusted_proxies: Collection[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Site:
    """The site of an app that was started with these options. A Space names its hosts, and can be reached through its own proxy alone.

    Args:
        host: that the app listens on.
        root_path: a path or a whole address.

    Raises:
        ParameterError: an option is not what it should be.
    """
    origin, prefix = _split_root_path(root_path)
    spaces = [name.strip() for name in environment.get("SPACE_HOST", "").split(",") if name.strip()]
    own = [origin.partition("://")[2]] if origin else []
    names = {_name(given) for given in (*allow_hosts, *spaces, *own)} | {host.lower()} | names_of_this_machine()
    proxies = EVERY_PROXY if "SPACE_ID" in environment else Proxies.named(trusted_proxies)
    return Site(names, proxies, prefix, origin)


def _split_root_path(root_path: str) -> tuple[str, str]:
    """The origin, "" if it is only a path, and the prefix."""
    parts = urlsplit(root_path)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""
    prefix = as_prefix(parts.path)
    whole = f"{origin}{prefix}"
    if root_path.rstrip("/") != whole or (origin and not split_host(parts.netloc)):
        raise ParameterError(f"--root-path must be a path such as /gpt or an address such as https://example.org/gpt, not {root_path!r}.")
    return origin, prefix


def _name(given: str) -> str:
    """A host's name, without a port."""
    host = split_host(given)
    if not host:
        raise ParameterError(f"--allow-host must be a name such as gpt.example.org, not {given!r}.")
    return host[0]
