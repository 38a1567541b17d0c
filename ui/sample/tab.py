"""The Sample tab: one prompt, many texts, and how each of their characters came to be."""

from __future__ import annotations

from dataclasses import fields

import gradio as gr

from model.config import describe
from model.sampling import SamplingParams
from model.serving.engine import Engine
from ui.files import read
from ui.web.assets import start_script
from ui.web.first_screen import PARAMS, PROMPT

# The page's script says how far top-k goes, for it depends on the models that are chosen.
TOP_K_LIMIT = '<span id="top-k-limit" hidden></span>'
TELL_TOP_K_LIMIT = "element.addEventListener('limit', ({ detail }) => { props.value = detail; trigger('change'); });"
SET_TOP_K_LIMIT = "(limit) => ({ __type__: 'update', maximum: limit })"  # what gr.update is to the page
MORE = '<button type="button" id="more-button" class="disclosure" aria-expanded="false" aria-controls="more">More</button>'
NOTICE = (
    '<p id="notice" class="notice" role="status" data-testid="notice"></p>'
    '<button type="button" id="notice-close" class="quiet" aria-label="Dismiss the message">×</button>'
)
HELP = describe(SamplingParams)
RANGES = {field.name: (field.metadata["low"], field.metadata["high"]) for field in fields(SamplingParams)}


def create_sample_tab(engine: Engine) -> None:
    """Controls on one side, the views on the other. What buttons do happens in the page (see sample/main.js)."""
    with gr.Row(elem_id="sample", equal_height=False):
        with gr.Column(scale=0, min_width=300, elem_id="controls"):
            gr.HTML(html_template='<div id="model" hidden></div>', apply_default_css=False)
            gr.Textbox(PROMPT, label="Prompt", lines=2, max_lines=8, placeholder="Empty: a fresh page", elem_id="prompt", interactive=True)
            gr.HTML(html_template=NOTICE, apply_default_css=False, elem_id="notice-place")
            with gr.Row(elem_id="actions"):
                gr.Button("Generate", variant="primary", elem_id="generate")
                gr.Button("Stop", elem_id="stop")
                gr.Button("Again", elem_id="again")
                gr.Button("Clear", elem_id="clear")
                gr.Button("Settings", elem_id="settings-button")  # of a drawer, where the settings have no room of their own
            _slider("temperature", "Temperature", step=0.05, info=HELP["temperature"])
            _slider("max_new_chars", "Length")
            _slider("samples", "Samples")
            gr.Textbox(label="Seed", info=HELP["seed"], placeholder="new each time", max_lines=1, elem_id="seed", interactive=True)
            gr.HTML(html_template=MORE, apply_default_css=False)
            with gr.Column(elem_id="more"):  # always in the page, for the scripts; Gradio's accordion is empty while it is closed
                vocab_size = engine.weights.model.config.vocab_size
                top_k = _slider("top_k", "Top-k", high=vocab_size, info=HELP["top_k"])
                _slider("top_p", "Top-p", step=0.01, info=HELP["top_p"])
                limit = gr.HTML(html_template=TOP_K_LIMIT, js_on_load=TELL_TOP_K_LIMIT, apply_default_css=False)
                limit.change(None, inputs=limit, outputs=top_k, js=SET_TOP_K_LIMIT)
        with gr.Column(scale=1, min_width=300, elem_id="views"):
            gr.HTML(
                html_template=read("sample/tab.html"),
                js_on_load=start_script("sample/main.js"),
                apply_default_css=False,
                elem_id="sample-views",
            )


def _slider(field: str, label: str, *, step: float = 1, high: float | None = None, info: str | None = None) -> gr.Slider:
    """A slider over the range of a field of `SamplingParams`, at the value that the page begins with.

    Args:
        high: end of the range, if it is not the field's.
        info: text below the label.
    """
    low, highest = RANGES[field]
    end = highest if high is None else high
    return gr.Slider(low, end, getattr(PARAMS, field), step=step, label=label, info=info, elem_id=label.lower(), interactive=True)
