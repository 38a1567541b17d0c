"""The page: header and tabs."""

from __future__ import annotations

import gradio as gr

from model.qr import qr_modules
from model.serving.engine import Engine
from ui.api import create_api
from ui.assistant.tab import create_assistant_tab
from ui.attention.tab import create_attention_tab
from ui.classroom.tab import create_classroom_tab
from ui.files import read
from ui.learning.tab import create_learning_tab
from ui.meaning.tab import create_meaning_tab
from ui.sample.tab import create_sample_tab
from ui.train.tab import create_train_tab
from ui.web.assets import start_script

TITLE = "Soliloquy"


def create_page(engine: Engine, class_address: str | None = None) -> gr.Blocks:
    """The whole page. With an address for the class, it has a panel that shows it."""
    header = ["header", "class_panel"] if class_address else ["header"]
    invitation = {"address": class_address, "modules": qr_modules(class_address)} if class_address else None
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        create_api(engine)  # first: Gradio numbers endpoints in order, and this one is public
        gr.HTML(
            html_template="".join(read(f"{part}.html") for part in header),
            js_on_load=start_script("header/main.js"),
            apply_default_css=False,
            elem_id="header",
            class_panel=invitation,
        )
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            with gr.Tab("Sample", id="sample"):
                create_sample_tab(engine)
            with gr.Tab("Attention", id="attention"):
                create_attention_tab()
            with gr.Tab("Learning", id="learning"):
                create_learning_tab()
            with gr.Tab("Assistant", id="assistant"):
                create_assistant_tab()
            with gr.Tab("Meaning", id="meaning"):
                create_meaning_tab()
            with gr.Tab("Class", id="class"):
                create_classroom_tab(invitation)
            with gr.Tab("Train", id="train"):
                create_train_tab()
    return page
