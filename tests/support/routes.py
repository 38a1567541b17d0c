"""All routes of the app without Gradio's page, served by a thread of the test's own process, with an engine at hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from model.catalogue import Catalogue
from model.serving.engine import Engine
from model.training.jobs import Jobs
from tests.support.admin import PASSWORD
from tests.support.viewing import serving
from ui.connections import ConnectionLimits
from ui.server import create_classroom, create_routes, make_app
from ui.web.admin import Lock
from ui.web.site import Site

NOWHERE = Path("no-such-folder")


@contextlib.contextmanager
def serving_routes(
    engine: Engine,
    catalogue: Catalogue | None = None,
    runs: Path = NOWHERE,
    lock: Lock | None = None,
    site: Site | None = None,
    limits: ConnectionLimits | None = None,
) -> Iterator[str]:
    """The address of an app, until the end. The engine is stopped then."""
    jobs, lock = Jobs(runs), lock or Lock(PASSWORD)
    classroom = create_classroom(engine, jobs, lock)
    table = create_routes(engine, catalogue or Catalogue(NOWHERE), jobs, lock, classroom=classroom)
    try:
        with serving(make_app(table, engine, site, classroom.lifespan), limits) as url:
            yield url
    finally:
        engine.stop()
