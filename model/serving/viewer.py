"""Who asks."""

from __future__ import annotations

from typing import NamedTuple


class Viewer(NamedTuple):
    """Somebody who asks, and takes turns with others. A client, such as a class behind one address, may be many viewers.

    A name belongs to its client: the same name from elsewhere is another viewer.
    """

    client: str
    name: str


def client_of(viewer: Viewer | str) -> str:
    """The client of a viewer. A viewer that is only a text is a client of its own."""
    return viewer if isinstance(viewer, str) else viewer.client
