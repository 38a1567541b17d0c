"""A quicker import of Gradio."""

from __future__ import annotations

import inspect


def import_gradio() -> None:
    """Imports Gradio without writing type stubs, which are for editors: it parses the sources of all its components for them, each time,
    which takes a third of its import. It writes none of a class that has no file, so meanwhile its classes have none."""
    file_of = inspect.getfile

    def file_unless_gradio(thing: object) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError
        return file_of(thing)  # type: ignore[arg-type]

    inspect.getfile = file_unless_gradio  # type: ignore[assignment]
    try:
        import gradio.components.api_component  # noqa: F401  # which gradio itself imports only later
    finally:
        inspect.getfile = file_of
