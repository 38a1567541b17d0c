"""The Class tab: a wall that everybody writes on, votes, and what each phone takes part in."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.files import read
from ui.web.assets import start_script


def create_classroom_tab(invitation: dict[str, Any] | None) -> None:
    """The page's scripts draw all of it (see classroom/main.js).

    Args:
        invitation: the address for the class and the modules of its QR code; None without such an address.
    """
    gr.HTML(
        html_template=read("classroom/tab.html"),
        js_on_load=start_script("classroom/main.js"),
        apply_default_css=False,
        elem_id="class-views",
        invitation=invitation,
    )
