"""The model card: what a model is, how good it is, how it was made. Its front matter has the losses as a `model-index`."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from model.data import TINY_SHAKESPEARE_SHA256
from model.decode import generate_cached
from model.files import clean_name
from model.sampling import SamplingParams
from model.weights import Weights

SAMPLE = SamplingParams(max_new_chars=300, temperature=0.8, seed=7)
DATASETS = {TINY_SHAKESPEARE_SHA256: "karpathy/tiny_shakespeare"}  # known texts on the Hub
LICENSES = {TINY_SHAKESPEARE_SHA256: "mit"}  # of what is trained here on texts in the public domain
TAGS = ["soliloquy", "character-level", "gpt", "pytorch", "safetensors"]
WORDS = {
    "block_size": "characters of context",
    "vocab_size": "characters in the vocabulary",
    "n_layer": "layers",
    "n_head": "heads in each",
    "n_embd": "channels",
}


def make_card(weights: Weights, repo: str, license: str, has_picture: bool) -> str:
    """The card of a model, with its front matter.

    Args:
        license: the Hub's name of one, such as "mit"; "" if nobody names one.
        has_picture: whether loss.png is beside it.
    """
    name = repo.partition("/")[2]
    data = ModelCardData(
        license=license or None,
        pipeline_tag="text-generation",
        tags=TAGS,
        datasets=[DATASETS[sha256]] if (sha256 := _corpus(weights).get("sha256")) in DATASETS else None,
        model_name=name,
        eval_results=_results(weights) or None,
    )
    parts = [
        f"---\n{data.to_yaml()}\n---\n",
        f"# {name}\n",
        _what(weights),
        _how(repo),
        _losses(weights, has_picture),
        _sample(weights),
        _recipe(weights),
        f"## Licence\n\n{license or 'None is named: ask whoever published this model.'}\n",
    ]
    return "\n".join(part for part in parts if part)


def default_license(weights: Weights) -> str:
    """The licence of a model whose training text is known; "" otherwise."""
    return LICENSES.get(_corpus(weights).get("sha256", ""), "")


def _corpus(weights: Weights) -> dict[str, Any]:
    corpus = weights.about.get("corpus")
    return {key: value for key, value in corpus.items() if isinstance(value, (str, int))} if isinstance(corpus, dict) else {}


def _best(weights: Weights) -> dict[str, float]:
    """What the evaluation of these weights measured while they were trained."""
    best = weights.about.get("best")
    found = best.items() if isinstance(best, dict) else ()
    return {name: value for name, value in found if isinstance(value, float) and math.isfinite(value)}


def _measured(weights: Weights) -> dict[str, float]:
    """The losses that are known, by what they are, in nats per character."""
    best, is_tuned = _best(weights), "task" in weights.about
    found = {
        "Validation loss": weights.heads["loss"] if weights.heads else None,
        "Validation loss while training": None if is_tuned else best.get("val_loss"),
        "Loss on answers that were kept back": best.get("answer_loss"),
        "Loss on a part of the validation text": best.get("plays_loss"),
    }
    return {words: loss for words, loss in found.items() if loss is not None}


def _results(weights: Weights) -> list[EvalResult]:
    """What was measured, for the front matter."""
    corpus = _corpus(weights)
    where: dict[str, Any] = {
        "task_type": "text-generation",
        "task_name": "Text generation, character by character",
        "dataset_type": DATASETS.get(corpus.get("sha256", ""), "text"),
        "dataset_name": clean_name(str(corpus.get("name", "unnamed"))),
    }
    metrics = [("loss", f"{words} (nats per character)", loss) for words, loss in _measured(weights).items()]
    if (obeys := _best(weights).get("obeys")) is not None:
        metrics.append(("accuracy", "Requests obeyed, of those that were kept back", obeys))
    return [EvalResult(**where, metric_type=kind, metric_name=name, metric_value=value) for kind, name, value in metrics]


def _what(weights: Weights) -> str:
    config = weights.model.config
    facts = [f"{getattr(config, f.name):,} {WORDS[f.name]}" for f in fields(config) if f.name in WORDS]
    kind = "A character-level GPT" if weights.kind == "gpt" else f"A character-level network of the kind {weights.kind}"
    based = f"\nFine-tuned from {weights.adapter.base}: these are the adapters alone.\n" if weights.adapter else ""
    return f"{kind} with {weights.model.n_params():,} parameters: {', '.join(facts)}. One character is one token.\n{based}"


def _how(repo: str) -> str:
    return f"""## How to use it

In Soliloquy, the web app for lectures on GPTs that it was made with, which shows how it writes and what its heads attend to:

```sh
python app.py --weights hub:{repo}
python -m model sample --weights hub:{repo}
python -m model export hub:{repo} gpt2 --format transformers    # or nanogpt, mingpt
```

`model.safetensors` has the names of nanoGPT's parameters; `config.json` has the network's settings, the vocabulary in the order of its ids,
and the recipe.
"""


def _losses(weights: Weights, has_picture: bool) -> str:
    measured = _measured(weights)
    if not measured:
        return ""
    rows = "".join(f"| {words} | {loss:.4f} | {loss / math.log(2):.4f} |\n" for words, loss in measured.items())
    obeys = _best(weights).get("obeys")
    share = "" if obeys is None else f"\nIt obeys {obeys:.0%} of the requests that were kept back.\n"
    picture = "\n![The loss while the model trained](loss.png)\n" if has_picture else ""
    return f"""## Loss

The validation text is the last tenth of the text, which the model was not trained on.

| | nats per character | bits per character |
|---|---|---|
{rows}{share}{picture}"""


def _sample(weights: Weights) -> str:
    """What the model writes from nothing: always the same text, because the dice are fixed."""
    tokenizer = weights.tokenizer
    text = tokenizer.decode(generate_cached(weights.model, tokenizer.encode_prompt(""), SAMPLE)).strip("\n")
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return f"## What it writes\n\nSeed {SAMPLE.seed}, temperature {SAMPLE.temperature}:\n\n{fence}text\n{text}\n{fence}\n"


def _recipe(weights: Weights) -> str:
    """What it was trained on, and how."""
    corpus, recipe = _corpus(weights), weights.about.get("recipe")
    text = f"Trained on {_plain(corpus['name'])}" if "name" in corpus else ""
    text += f", {corpus['characters']:,} characters" if text and isinstance(corpus.get("characters"), int) else ""
    text += f" (sha256 `{_plain(corpus['sha256'])}`)" if text and "sha256" in corpus else ""
    rows = [f"| {_plain(key)} | {_plain(value)} |\n" for key, value in recipe.items()] if isinstance(recipe, dict) else []
    table = "\n| setting | |\n|---|---|\n" + "".join(rows) if rows else ""
    return f"## Recipe\n\n{text}{'.' if text else ''}\n{table}" if text or table else ""


def _plain(value: object) -> str:
    """A value of config.json as plain text in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&-])", r"\\\1", clean_name(str(value))[:200])
