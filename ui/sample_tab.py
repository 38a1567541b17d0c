"""The Sample tab: one prompt, many texts, written side by side."""

from __future__ import annotations

import gradio as gr

from model.config import MAX_NEW_CHARS, MAX_SAMPLES, MAX_TEMPERATURE, SamplingParams, describe
from model.serving.engine import Engine
from ui.first_screen import first_screen
from ui.theme import read


def create_sample_tab(engine: Engine) -> None:
    """Controls on one side, the texts on the other."""
    help = describe(SamplingParams)
    with gr.Row(elem_id="sample", equal_height=False):
        with gr.Column(scale=0, min_width=300, elem_id="controls"):
            prompt = gr.Textbox("ROMEO:", label="Prompt", lines=2, max_lines=8, elem_id="prompt", placeholder="Empty: a fresh page")
            gr.HTML(html_template='<p id="notice" role="status" data-testid="notice"></p>', apply_default_css=False)
            with gr.Row(elem_id="actions"):
                generate = gr.Button("Generate", variant="primary", elem_id="generate")
                stop = gr.Button("Stop", elem_id="stop")
                again = gr.Button("Again", elem_id="again")
                clear = gr.Button("Clear", elem_id="clear")
            temperature = gr.Slider(
                0, MAX_TEMPERATURE, 0.8, step=0.05, label="Temperature", info=help["temperature"], elem_id="temperature"
            )
            length = gr.Slider(1, MAX_NEW_CHARS, 300, step=1, label="Length", elem_id="length")
            samples = gr.Slider(1, MAX_SAMPLES, 4, step=1, label="Samples", elem_id="samples")
            seed = gr.Textbox(label="Seed", info=help["seed"], placeholder="new each time", max_lines=1, elem_id="seed")
            with gr.Accordion("More", open=False, elem_id="more"):
                vocab_size = engine.weights.model.config.vocab_size
                top_k = gr.Slider(0, vocab_size, 0, step=1, label="Top-k", info=help["top_k"], elem_id="top-k")
                top_p = gr.Slider(0, 1, 1, step=0.01, label="Top-p", info=help["top_p"], elem_id="top-p")
        with gr.Column(scale=1, min_width=300, elem_id="texts"):
            gr.HTML(
                first_screen(engine.weights),
                html_template='<div class="folio" data-testid="folio"></div>',
                js_on_load=read("sample_tab.js"),
                apply_default_css=False,
                elem_id="folio",
            )
    # All that the buttons do happens in the page, which has a stream of its own (see ui/stream.py).
    settings = [prompt, temperature, length, samples, seed, top_k, top_p]
    for button, action in ((generate, "generate"), (again, "again"), (stop, "stop"), (clear, "clear")):
        button.click(None, settings, js=f"(...settings) => window.soliloquy.sample.{action}(...settings)")
