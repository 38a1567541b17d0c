"""The Sample tab: one prompt, many texts, written side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from model.config import MAX_NEW_CHARS, MAX_SAMPLES, MAX_TEMPERATURE, SamplingParams, describe
from model.errors import ParameterError, SoliloquyError
from model.sampling import draw_seed
from model.serving.engine import Engine
from model.serving.request import Request
from ui.first_screen import first_screen
from ui.theme import read
from ui.writing import View, follow

# The settings that were thrown with, and the number of their next sample. Other settings begin with the first dice again, so
# that one seed at two temperatures can be laid side by side with Again.
Dice = tuple[tuple, int]
MOST_DIGITS = 100  # of a seed, before it is even read
EMPTY = {"clear": True}

Update = tuple[View, Dice | None]


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
            temperature = _slider(0, MAX_TEMPERATURE, 0.8, step=0.05, label="Temperature", info=help["temperature"], elem_id="temperature")
            length = _slider(1, MAX_NEW_CHARS, 300, step=1, label="Length", elem_id="length")
            samples = _slider(1, MAX_SAMPLES, 4, step=1, label="Samples", elem_id="samples")
            seed = gr.Textbox(label="Seed", info=help["seed"], placeholder="new each time", max_lines=1, elem_id="seed")
            with gr.Accordion("More", open=False, elem_id="more"):
                vocab_size = engine.weights.model.config.vocab_size
                top_k = _slider(0, vocab_size, 0, step=1, label="Top-k", info=help["top_k"], elem_id="top-k")
                top_p = _slider(0, 1, 1, step=0.01, label="Top-p", info=help["top_p"], elem_id="top-p")
        with gr.Column(scale=1, min_width=300, elem_id="texts"):
            folio = gr.HTML(
                first_screen(engine.weights) or EMPTY,
                html_template='<div class="folio" data-testid="folio"></div>',
                js_on_load=read("sample_tab.js"),
                apply_default_css=False,
                elem_id="folio",
            )
    dice = gr.State(None)

    tab = SampleTab(engine)
    settings = [dice, prompt, temperature, length, samples, seed, top_k, top_p]
    on_click = partial(gr.on, show_progress="hidden", concurrency_limit=None, api_visibility="private", trigger_mode="multiple")
    on_click(generate.click, tab.generate, settings, [folio, dice])
    on_click(again.click, tab.again, settings, [folio, dice])
    on_click(stop.click, tab.stop, queue=False)
    on_click(clear.click, tab.clear, None, [folio, dice], queue=False)


def _slider(low: float, high: float, value: float, **settings: Any) -> gr.Slider:
    """A slider whose value is checked where all values are, in `SamplingParams`, with a message that names it; Gradio's own
    check does not say which slider it means."""
    slider = gr.Slider(low, high, value, **settings)
    slider.preprocess = lambda payload: payload  # type: ignore[method-assign]
    return slider


class SampleTab:
    """What the buttons do. One text at a time for each open page: a new one ends the one before."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._active: dict[str, Request] = {}  # by the page's session

    async def generate(self, page: gr.Request, dice: Dice | None, *settings: Any) -> AsyncIterator[Update]:
        """A new sheet of samples in place of what is there."""
        async for update in self._write(page, None, settings):
            yield update

    async def again(self, page: gr.Request, dice: Dice | None, *settings: Any) -> AsyncIterator[Update]:
        """More samples beside the earlier ones; where prompt and settings are the same, with the next dice of the seed."""
        async for view, next_dice in self._write(page, dice, settings):
            yield view | {"keep": True}, next_dice

    def stop(self, page: gr.Request) -> None:
        """Ends the writing; what is written stays."""
        if request := self._active.get(str(page.session_hash)):
            request.cancel()

    def clear(self, page: gr.Request) -> Update:
        """An empty page."""
        self._let_go(page)
        return EMPTY, None

    def _let_go(self, page: gr.Request) -> None:
        """Ends the writing, and nothing more is heard of it."""
        if request := self._active.pop(str(page.session_hash), None):
            request.cancel()

    async def _write(self, page: gr.Request, dice: Dice | None, settings: tuple) -> AsyncIterator[Update]:
        prompt, temperature, length, samples, typed_seed, top_k, top_p = settings
        try:
            seed = _seed(typed_seed)
            thrown_with = (prompt, temperature, seed, top_k, top_p)
            first_sample = dice[1] if dice and dice[0] == thrown_with else 0
            params = SamplingParams(
                temperature=temperature,
                max_new_chars=length,
                samples=samples,
                seed=seed,
                first_sample=first_sample,
                top_k=top_k,
                top_p=top_p,
            )
            request = self._engine.submit(prompt, params)
        except SoliloquyError as error:
            yield {"error": str(error)}, dice
            return
        self._let_go(page)
        session = str(page.session_hash)
        self._active[session] = request
        try:
            async for view in follow(request):
                if self._active.get(session) is not request:
                    return  # another took its place, or the page was cleared
                yield view, (thrown_with, params.first_sample + params.samples)
        finally:  # also when the page was closed
            request.cancel()
            if self._active.get(session) is request:
                del self._active[session]


def _seed(typed: str) -> int:
    """The seed that was typed, or a drawn one.

    Raises:
        ParameterError: what was typed is no whole number.
    """
    if not isinstance(typed, str):
        raise ParameterError("The seed must be typed as digits, or left empty for a new one each time.")
    digits = typed.strip()
    if not digits:
        return draw_seed()
    if not (digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) <= MOST_DIGITS):
        raise ParameterError(f"The seed must be a whole number, or empty for a new one each time, not {typed[:40]!r}.")
    return int(digits)
