"""The Train tab: a run is started by who has the right, and watched by everybody."""

from __future__ import annotations

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_train_tab() -> None:
    """All of it is drawn in the page (see train/main.js), from what ui/web/train.py tells."""
    gr.HTML(
        html_template=read("train/tab.html"),
        js_on_load=start_script("train/main.js"),
        apply_default_css=False,
        elem_id="train-views",
    )
