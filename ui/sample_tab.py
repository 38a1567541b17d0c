"""The Sample tab: one prompt, many texts, written side by side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from model.config import MAX_NEW_CHARS, MAX_SAMPLES, MAX_TEMPERATURE, SamplingParams, describe
from model.errors import ParameterError, SoliloquyError
from model.serving.engine import Engine, draw_seed
from model.serving.request import Request
from model.tokenizer import name
from ui.theme import read

FIRST_LOOK_S = 0.02  # how often to look for the first character ...
LOOK_S = 0.2  # ... and for more, once there is one

View = dict[str, Any]  # what sample_tab.js draws; see `_view`
Dice = tuple[int, int]  # seed in use, and the number of its next sample


def create_sample_tab(engine: Engine) -> None:
    """Controls on one side, the texts on the other."""
    active: dict[str, Request] = {}  # by browser session: a new request ends the one before
    help = describe(SamplingParams)
    vocab_size = engine.weights.model.config.vocab_size

    with gr.Row(elem_id="sample", equal_height=False):
        with gr.Column(scale=0, min_width=300, elem_id="controls"):
            prompt = gr.Textbox("ROMEO:", label="Prompt", lines=2, max_lines=8, elem_id="prompt", placeholder="Empty: starts a new page")
            gr.HTML(html_template='<p id="notice" role="status" data-testid="notice" hidden></p>', apply_default_css=False)
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
                top_k = gr.Slider(0, vocab_size, 0, step=1, label="Top-k", info=help["top_k"], elem_id="top-k")
                top_p = gr.Slider(0, 1, 1, step=0.01, label="Top-p", info=help["top_p"], elem_id="top-p")
        with gr.Column(scale=1, min_width=300, elem_id="texts"):
            folio = gr.HTML(
                json.loads(read("first_screen.json")),
                html_template='<div class="folio" data-testid="folio"></div>',
                js_on_load=read("sample_tab.js"),
                apply_default_css=False,
                elem_id="folio",
            )
    dice = gr.State(None)
    settings = [prompt, temperature, length, samples, seed, top_k, top_p]

    async def write(
        prompt: str,
        temperature: float,
        length: float,
        samples: float,
        seed: str,
        top_k: float,
        top_p: float,
        dice: Dice | None,
        keep: bool,
        session: str,
    ) -> AsyncIterator[tuple[View, Dice | None]]:
        try:
            used = _seed(seed)
            first = dice[1] if keep and dice and dice[0] == used else 0
            params = SamplingParams(temperature, length, samples, used, first, top_k, top_p)  # type: ignore[arg-type]
            request = engine.submit(prompt, params)
        except SoliloquyError as error:
            yield {"error": str(error)}, dice
            return
        if session in active:
            active[session].cancel()
        active[session] = request
        dice = (params.seed, params.first_sample + params.samples)
        try:
            async for view in follow(request):
                yield view | {"keep": keep}, dice
        finally:  # also when the page was closed
            request.cancel()
            if active.get(session) is request:
                del active[session]

    async def on_generate(request: gr.Request, *values: Any) -> AsyncIterator[tuple[View, Dice | None]]:
        async for update in write(*values, keep=False, session=str(request.session_hash)):
            yield update

    async def on_again(request: gr.Request, *values: Any) -> AsyncIterator[tuple[View, Dice | None]]:
        async for update in write(*values, keep=True, session=str(request.session_hash)):
            yield update

    def on_stop(request: gr.Request) -> None:
        if str(request.session_hash) in active:
            active[str(request.session_hash)].cancel()

    def on_clear(request: gr.Request) -> tuple[View, None]:
        on_stop(request)
        return {"clear": True}, None

    streaming = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
    at_once = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    generate.click(on_generate, [*settings, dice], [folio, dice], **streaming)
    again.click(on_again, [*settings, dice], [folio, dice], **streaming)
    stop.click(on_stop, None, None, **at_once)
    clear.click(on_clear, None, [folio, dice], **at_once)


def _seed(typed: str) -> int:
    """The seed that was typed, or a drawn one.

    Raises:
        ParameterError: what was typed is no whole number.
    """
    if not typed.strip():
        return draw_seed()
    try:
        return int(typed)
    except ValueError:
        raise ParameterError(f"The seed must be a whole number, or empty for a new one each time, not {typed[:40]!r}.") from None


async def follow(request: Request) -> AsyncIterator[View]:
    """Views of a request as it grows: the first characters at once, then a few times a second, and the last whatever happened."""
    while True:
        progress = request.progress()
        if progress.finished or progress.texts[0]:
            yield _view(request, progress)
        if progress.finished:
            return
        await asyncio.sleep(LOOK_S if progress.texts[0] else FIRST_LOOK_S)


def _view(request: Request, progress: Any) -> View:
    written = sum(map(len, progress.texts))
    return {
        "run": request.number,
        "prompt": request.prompt,
        "seed": request.params.seed,
        "temperature": request.params.temperature,
        "first_sample": request.params.first_sample,
        "state": progress.state,
        "texts": progress.texts,
        "elapsed_s": progress.elapsed_s,
        "chars_per_s": written / progress.elapsed_s if progress.elapsed_s else 0,
        "notice": f"Left out, because the model does not know them: {', '.join(map(name, request.left_out[:8]))}."
        if request.left_out
        else "",
        "error": progress.error,
    }
