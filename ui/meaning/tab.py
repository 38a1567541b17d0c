"""The Meaning tab: what a model that has learned to write knows besides."""

from __future__ import annotations

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_meaning_tab() -> None:
    """The page's scripts draw all of it (see meaning/main.js)."""
    gr.HTML(
        html_template=read("meaning/tab.html"),
        js_on_load=start_script("meaning/main.js"),
        apply_default_css=False,
        elem_id="meaning-views",
    )
