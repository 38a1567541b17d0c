"""The Assistant tab: from a model that continues texts to one that answers requests, by fine-tuning, a reward model and reinforcement."""

from __future__ import annotations

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_assistant_tab() -> None:
    """The page's scripts draw all of it (see assistant/main.js)."""
    gr.HTML(
        html_template=read("assistant/tab.html"),
        js_on_load=start_script("assistant/main.js"),
        apply_default_css=False,
        elem_id="assistant-views",
    )
