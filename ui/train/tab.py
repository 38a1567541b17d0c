"""The Train tab: the admin starts and steers training runs, and everybody watches them."""

from __future__ import annotations

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_train_tab() -> None:
    """The page's scripts draw all of it (see train/main.js) from the answers of ui/web/train.py."""
    gr.HTML(
        html_template=read("train/tab.html"),
        js_on_load=start_script("train/main.js"),
        apply_default_css=False,
        elem_id="train-views",
    )
