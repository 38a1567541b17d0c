"""The Attention tab: where every head looks, on real text."""

from __future__ import annotations

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_attention_tab() -> None:
    """All of it is drawn in the page (see attention/main.js)."""
    gr.HTML(
        html_template=read("attention/tab.html"),
        js_on_load=start_script("attention/main.js"),
        apply_default_css=False,
        elem_id="attention-views",
    )
