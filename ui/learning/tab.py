"""The Learning tab: how a network learns, from characters as numbers over the lecture's ladder to a training step by step."""

from __future__ import annotations

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_learning_tab() -> None:
    """The page's scripts draw all of it (see learning/main.js)."""
    gr.HTML(
        html_template=read("learning/tab.html"),
        js_on_load=start_script("learning/main.js"),
        apply_default_css=False,
        elem_id="learning-views",
    )
