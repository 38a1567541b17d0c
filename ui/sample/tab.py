"""The Sample tab: one prompt, many texts, and how each of their characters came to be."""

from __future__ import annotations

import gradio as gr

from model.config import describe
from model.limits import MAX_NEW_CHARS, MAX_SAMPLES, MAX_TEMPERATURE
from model.sampling import SamplingParams
from model.serving.engine import Engine
from ui.files import read
from ui.web.assets import start_script

# The page's script says how far top-k goes, for it depends on the models that are chosen.
TOP_K_LIMIT = '<span id="top-k-limit" hidden></span>'
TELL_TOP_K_LIMIT = "element.addEventListener('limit', ({ detail }) => { props.value = detail; trigger('change'); });"
SET_TOP_K_LIMIT = "(limit) => ({ __type__: 'update', maximum: limit })"  # what gr.update is to the page
MORE = '<button type="button" id="more-button" class="disclosure" aria-expanded="false" aria-controls="more">More</button>'


def create_sample_tab(engine: Engine) -> None:
    """Controls on one side, the views on the other. What buttons do happens in the page (see sample/main.js)."""
    help = describe(SamplingParams)
    with gr.Row(elem_id="sample", equal_height=False):
        with gr.Column(scale=0, min_width=300, elem_id="controls"):
            gr.HTML(html_template='<div id="model" hidden></div>', apply_default_css=False)
            gr.Textbox(
                "ROMEO:", label="Prompt", lines=2, max_lines=8, placeholder="Empty: a fresh page", elem_id="prompt", interactive=True
            )
            gr.HTML(html_template='<p id="notice" class="notice" role="status" data-testid="notice"></p>', apply_default_css=False)
            with gr.Row(elem_id="actions"):
                gr.Button("Generate", variant="primary", elem_id="generate")
                gr.Button("Stop", elem_id="stop")
                gr.Button("Again", elem_id="again")
                gr.Button("Clear", elem_id="clear")
            gr.Slider(
                0, MAX_TEMPERATURE, 0.8, step=0.05, label="Temperature", info=help["temperature"], elem_id="temperature", interactive=True
            )
            gr.Slider(1, MAX_NEW_CHARS, 300, step=1, label="Length", elem_id="length", interactive=True)
            gr.Slider(1, MAX_SAMPLES, 4, step=1, label="Samples", elem_id="samples", interactive=True)
            gr.Textbox(label="Seed", info=help["seed"], placeholder="new each time", max_lines=1, elem_id="seed", interactive=True)
            gr.HTML(html_template=MORE, apply_default_css=False)
            with gr.Column(elem_id="more"):  # always in the page, for the scripts; Gradio's accordion is empty while it is closed
                vocab_size = engine.weights.model.config.vocab_size
                top_k = gr.Slider(0, vocab_size, 0, step=1, label="Top-k", info=help["top_k"], elem_id="top-k", interactive=True)
                gr.Slider(0, 1, 1, step=0.01, label="Top-p", info=help["top_p"], elem_id="top-p", interactive=True)
                limit = gr.HTML(html_template=TOP_K_LIMIT, js_on_load=TELL_TOP_K_LIMIT, apply_default_css=False)
                limit.change(None, inputs=limit, outputs=top_k, js=SET_TOP_K_LIMIT)
        with gr.Column(scale=1, min_width=300, elem_id="views"):
            gr.HTML(
                html_template=read("sample/tab.html"),
                js_on_load=start_script("sample/main.js"),
                apply_default_css=False,
                elem_id="sample-views",
            )
