"""The command line.

python -m model train --preset shakespeare --run mine      train a network; --resume continues a run
python -m model train --job --preset lesson --run mine --hardware t4-small
                                                           train on Hugging Face's machines, and bring the run here; --timeout, --resume-job
python -m model train --task sft --from weights/shakespeare --run obey
                                                           fine-tune a model to answer requests; --pairs names your own
python -m model train --task reward --from weights/assistant/supervised --run judge
                                                           learn which answers are better, from comparisons made by rule
python -m model train --task policy --from weights/assistant/supervised --run reinforced
                                                           learn from the reward of its own answers; --reward rule or a reward model
python -m model train --task embed --from weights/shakespeare --run embedding
                                                           learn sentence embeddings; recall and index measure them and build the index
python -m model pace --preset lesson                       measure how long a training would take on this machine
python -m model eval                                       validation loss of the shipped weights; --ablate 0.2 without a head
python -m model heads                                      measure each head and MLP, for heads.json beside the weights
python -m model draft                                      count what follows what in the training text, for draft.safetensors
python -m model obeys --weights weights/assistant/supervised
                                                           how often a model obeys, by skill; --save for obeys.json beside the weights
python -m model translates --weights weights/meaning/reversal
                                                           how often a network translates without a mistake; --save for translates.json
python -m model zeroshot                                   how often the right one of two texts is likelier, by kind
python -m model sample --prompt "ROMEO:"                   write a text to the terminal
python -m model export runs/mine weights/mine              write a run's best weights, in 16 bits, to a folder of their own
python -m model export --snapshots runs/mine weights/runs/mine
                                                           write its snapshots and its curve, so that it can be watched as it learns
python -m model export weights/mine gpt2 --format transformers
                                                           write a model for nanoGPT, minGPT or Transformers
python -m model import ckpt.pt weights/theirs              read one of theirs
python -m model deploy USER/NAME                           put this app online as a Hugging Face Space, or update it there
python -m model push weights/mine user/name                send a model to the Hugging Face Hub; --weights hub:user/name uses it
"""

from __future__ import annotations

from model.program import NOBODY_READS, on_stop, run_program, stop_at_once

if __name__ == "__main__":
    stop_at_once()  # importing PyTorch takes seconds

import argparse
import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from model.assistant.comparisons import HELD_OUT_FILE, load_comparisons
from model.assistant.obeys import OBEYS_FILE, ObeysConfig, measure, save
from model.assistant.pairs import load_pairs
from model.assistant.rewards import RULE, SHIPPED_REWARD, LearnedReward, Reward, RuleReward
from model.assistant.skills import SKILLS
from model.catalogue import ASSISTANT, LADDER, MEANING, SHIPPED, SNAPSHOT, Catalogue
from model.config import (
    REVERSAL,
    EmbedConfig,
    GPTConfig,
    NetworkConfig,
    PolicyConfig,
    RewardConfig,
    SFTConfig,
    TranslateConfig,
    check_prompt,
)
from model.data import TINY_SHAKESPEARE_ALPHABET, TINY_SHAKESPEARE_CHARS, TINY_SHAKESPEARE_SHA256, Corpus, load_corpus, split, train_chars
from model.decode import generate
from model.errors import CheckpointError, CorpusError, ParameterError, SoliloquyError, TrainingError
from model.evaluation import mean_loss
from model.files import read_file, write_atomically
from model.formats.read import dtype_without_loss, is_own, read_foreign
from model.formats.write import WRITERS
from model.heads import measure_heads, n_steps
from model.hub import is_hub_name
from model.machine import choose_device
from model.meaning import translates, zeroshot
from model.meaning.embedder import EMBEDDING, Embedder, MeanStates
from model.meaning.index import INDEX_FILE, Index
from model.meaning.map import STEPS as MAP_STEPS
from model.meaning.minimal_pairs import KINDS, digest, make_pairs
from model.meaning.ngram import NGram
from model.meaning.recall import LONG_CHARS, METHODS, RECALL_FILE
from model.meaning.recall import measure as measure_recall
from model.meaning.recall import save as save_recall
from model.meaning.rules import RULES
from model.meaning.speakers import measure_speakers
from model.meaning.translates import TRANSLATES_FILE, TranslatesConfig
from model.meaning.translator import Translator
from model.network.gpt import GPT
from model.network.reward import RewardGPT
from model.parts import check_parts, part_name, read_part
from model.precision import DTYPES, training_dtype
from model.qr import qr_picture
from model.sampling import SamplingParams, draw_seed
from model.tokenizer import CharTokenizer, name
from model.training.measure import measure_pace
from model.training.presets import (
    DEFAULT_PRESETS,
    EMBED,
    FIXED,
    POLICY,
    PRESETS,
    PRETRAIN,
    RECIPES,
    REWARD,
    SFT,
    TRANSLATE,
    FromParent,
    Preset,
    pretraining_presets,
)
from model.training.processes import LostProcessError, Processes, joined, launcher
from model.training.run import CORPUS_FILE, DEFAULT_RUNS, Run
from model.training.snapshots import export_run
from model.training.tasks.embed import Embed
from model.training.tasks.fine_tuning import Start
from model.training.tasks.policy import Reinforce
from model.training.tasks.pretrain import Pretrain
from model.training.tasks.reward import LearnReward, gather
from model.training.tasks.sft import FineTune
from model.training.tasks.task import Task
from model.training.tasks.translate import Translate
from model.training.trainer import EvaluationStoppedError, Trainer
from model.weights import (
    BEST_FILE,
    CONFIG_FILE,
    MEANING_FOLDER,
    SHIPPED_WEIGHTS,
    WEIGHTS_FOLDER,
    Origin,
    Weights,
    find_folder,
    load_tensors,
    load_weights,
    read_adapter,
    read_config,
    save_draft,
    save_weights,
    val_loss,
)

# The settings of all kinds and tasks.
SETTINGS = (
    *{
        f.name: f for each in (fields(GPTConfig), fields(FromParent), *map(fields, RECIPES.values())) for f in each if f.name not in FIXED
    }.values(),
)
SHIPPED_EMBEDDING = WEIGHTS_FOLDER / MEANING_FOLDER / EMBEDDING
GROUPS = (LADDER, SHIPPED, ASSISTANT, MEANING)  # the order in which models that ship are measured
FOLDER_OR_HUB = "a folder of weights or of a run, or a model on the Hub: hub:USER/NAME[@REVISION]"
# Options that name what a task starts from.
INPUTS = {
    PRETRAIN: {"corpus"},
    SFT: {"parent", "pairs", "corpus"},
    REWARD: {"parent", "comparisons", "corpus"},
    POLICY: {"parent", "corpus", "reward"},
    TRANSLATE: {"corpus"},
    EMBED: {"parent", "corpus"},
}
TYPED = ("preset", "parent", "pairs", "comparisons", "reward")  # not to be typed again when a run is resumed
NAMES = {"parent": "from"}  # options that are called otherwise


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    options = make_parser().parse_args(arguments)
    try:
        _fetch_from_hub(options)
        return options.command(options)
    except SoliloquyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _fetch_from_hub(options: argparse.Namespace) -> None:
    """Replaces the name of a model on the Hub by the folder where it is now.

    Raises:
        SoliloquyError: it cannot be fetched.
    """
    for option in ("weights", "parent", "reward", "source"):
        if is_hub_name(given := getattr(options, option, "")):
            from model.hub.download import fetch_with_bar  # which takes a second to import

            setattr(options, option, fetch_with_bar(given).folder)


def make_parser() -> argparse.ArgumentParser:
    """The parser. The help on settings comes from their dataclasses."""
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(
        required=True,
        metavar="train | pace | eval | heads | obeys | translates | zeroshot | recall | index | sample | export | import | push | deploy",
    )

    train = commands.add_parser("train", help="train a network, or resume a run")
    pace = commands.add_parser("pace", help="measure how long a training would take on this machine")
    train.add_argument(
        "--task",
        choices=tuple(INPUTS),
        help="pretrain: learn a text from random weights (default); sft: fine-tune on pairs; policy: learn from a reward; embed: vectors",
    )
    for command, presets in ((train, PRESETS), (pace, pretraining_presets())):
        about = "; ".join(f"{key}: {preset.about}" for key, preset in presets.items())
        command.add_argument("--preset", choices=presets, help=about)
        _add_settings(command, SETTINGS)
    train.add_argument("--run", default=time.strftime("%Y%m%d-%H%M%S"), help="name of the run, a folder in runs/ (default: the time)")
    train.add_argument("--runs", type=Path, default=DEFAULT_RUNS, help="folder of all runs (default: runs)")
    train.add_argument("--resume", action="store_true", help="continue the run from its last checkpoint")
    train.add_argument(
        "--corpus", type=Path, help="the text to learn, or of which fine-tuning mixes in pieces: a UTF-8 file (default: Tiny Shakespeare)"
    )
    train.add_argument("--from", dest="parent", type=Path, metavar="FOLDER", help=f"sft, reward: the parent model, {FOLDER_OR_HUB}")
    train.add_argument(
        "--pairs",
        type=Path,
        metavar="FILE",
        help='sft: a JSON Lines file of {"request": ..., "answer": ...}; the last tenth is held out for evaluation (default: examples '
        "made from the corpus)",
    )
    train.add_argument(
        "--comparisons",
        type=Path,
        metavar="FILE",
        help='reward: a JSON Lines file of {"request": ..., "better": ..., "worse": ...}, such as votes',
    )
    train.add_argument(
        "--reward",
        metavar="FOLDER",
        help=f"policy: a reward model, or {RULE}: the skills' rules (default: the one that ships)",
    )
    train.add_argument("--precision", choices=("auto", *DTYPES), default="auto", help="precision of matrix products (default: the faster)")
    train.add_argument("--job", action="store_true", help="train on Hugging Face's machines, which costs money, and bring the run here")
    train.add_argument("--hardware", default="cpu-basic", help="--job: such as cpu-upgrade or t4-small (default: cpu-basic)")
    train.add_argument("--timeout", default="30m", help="--job: when it ends at the latest, such as 2h (default: 30m)")
    train.add_argument("--resume-job", metavar="ID", help="follow a job that was started before, and bring its run here")
    pace.add_argument("--vocab-size", type=int, default=len(TINY_SHAKESPEARE_ALPHABET), help="different characters of the corpus")
    pace.add_argument("--characters", type=int, default=TINY_SHAKESPEARE_CHARS, help="length of the corpus (default: Tiny Shakespeare's)")

    evaluate = commands.add_parser("eval", help="validation loss")
    evaluate.add_argument(
        "--ablate",
        action="append",
        default=[],
        metavar="PART",
        help="switch a part off: LAYER.HEAD, mlp.LAYER or positions, counted from 0; may be repeated",
    )
    heads = commands.add_parser("heads", help="measure each part on the validation text; continues an interrupted measurement")
    for command in (evaluate, heads):
        command.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS, help=FOLDER_OR_HUB)
        command.add_argument("--corpus", type=Path, help="a UTF-8 text file (default: the text that the model was trained on)")
        command.add_argument("--precision", choices=DTYPES, default="float32", help="precision of matrix products")

    draft = commands.add_parser("draft", help="count what follows what in the training text, so that texts are written sooner")
    draft.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS, help=FOLDER_OR_HUB)
    draft.add_argument("--corpus", type=Path, help="a UTF-8 text file (default: the text that the model was trained on)")

    obeys = commands.add_parser("obeys", help="how often a model obeys requests that no example has, by skill")
    obeys.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS, help=FOLDER_OR_HUB)
    _add_settings(obeys, fields(ObeysConfig))
    obeys.add_argument("--precision", choices=DTYPES, default="float32", help="precision of matrix products")
    obeys.add_argument("--save", action="store_true", help=f"write {OBEYS_FILE} into the folder")

    translates = commands.add_parser("translates", help="how often a network translates without a mistake, by length")
    translates.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER / MEANING_FOLDER / REVERSAL, help=FOLDER_OR_HUB)
    translates.add_argument("--corpus", type=Path, help="the text whose lines are kept back (default: Tiny Shakespeare)")
    _add_settings(translates, fields(TranslatesConfig))
    translates.add_argument("--save", action="store_true", help=f"write {TRANSLATES_FILE} into the folder")
    recall = commands.add_parser("recall", help="how well embeddings find the other half of a speech, beside TF-IDF")
    recall.add_argument("--save", action="store_true", help=f"write {RECALL_FILE} into the folder")
    index = commands.add_parser("index", help=f"build the index of the corpus's lines, and their map: {INDEX_FILE} in the folder")
    for command in (recall, index):
        command.add_argument("--weights", type=Path, default=SHIPPED_EMBEDDING, help="a folder with an embedding network, or its run's")
        command.add_argument("--corpus", type=Path, help="a UTF-8 text file (default: Tiny Shakespeare)")
        command.add_argument("--precision", choices=DTYPES, default="float32", help="precision of matrix products")

    likelier = commands.add_parser("zeroshot", help="how often the right one of two texts is likelier, by kind, beside an n-gram model")
    likelier.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS, help=FOLDER_OR_HUB)
    likelier.add_argument("--all", action="store_true", help="measure every model that ships and every snapshot; takes many minutes")
    likelier.add_argument("--precision", choices=DTYPES, default="float32", help="precision of matrix products")
    likelier.add_argument("--save", action="store_true", help=f"with --all: write {MEANING_FOLDER}/{zeroshot.ZEROSHOT_FILE} in weights/")

    sample = commands.add_parser("sample", help="write a text")
    sample.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS, help=FOLDER_OR_HUB)
    sample.add_argument("--prompt", default="", help="the text to continue")
    _add_settings(sample, tuple(f for f in fields(SamplingParams) if f.name not in ("samples", "first_sample", "first_step")))

    export = commands.add_parser("export", help="write a run's best weights to a folder of their own, or a model for another project")
    export.add_argument("source", type=Path, help=f"a run's folder; with --format, {FOLDER_OR_HUB}")
    export.add_argument("target", type=Path, help="folder to write")
    export.add_argument("--snapshots", action="store_true", help="write the run's snapshots, its curve and its samples instead")
    export.add_argument("--format", choices=WRITERS, help="the other project (default: this one)")

    imports = commands.add_parser("import", help="read a model of nanoGPT, minGPT, Transformers, or of the lecture's gpt.py")
    imports.add_argument("source", type=Path, help="a checkpoint, a state dict, a folder with one, or hub:USER/NAME[@REVISION]")
    imports.add_argument("target", type=Path, help="folder to write, such as weights/theirs")
    imports.add_argument(
        "--vocabulary",
        type=Path,
        metavar="FILE",
        help="a UTF-8 text with all characters, such as its corpus; sorted, they are the vocabulary",
    )
    imports.add_argument("--heads", type=int, help="number of heads, where the file does not say")

    deploy = commands.add_parser("deploy", help="put this app online as a Hugging Face Space, or bring the Space up to date")
    deploy.add_argument("name", metavar="USER/NAME", help="the Space, yours or your organisation's")
    deploy.add_argument("--hardware", default="", help="such as zero-a10g, which a free account may have, cpu-upgrade or t4-small")
    deploy.add_argument("--private", action="store_true", help="only you see it")
    deploy.add_argument("--dry-run", action="store_true", help="only list files and settings")
    push = commands.add_parser("push", help="send a model to the Hugging Face Hub, with a model card")
    push.add_argument("source", type=Path, help="a folder of weights")
    push.add_argument("repo", metavar="USER/NAME", help="its name on the Hub; what is there already is brought up to date")
    push.add_argument("--private", action="store_true", help="make the repository private")
    push.add_argument("--license", metavar="NAME", help="as the Hub names it, such as mit (default: mit for models of Tiny Shakespeare)")

    for command in (train, pace, evaluate, heads, obeys, translates, likelier, recall, index, sample):
        command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="device to run on")
    functions = {
        train: run_train,
        pace: run_pace,
        evaluate: run_eval,
        heads: run_heads,
        draft: run_draft,
        obeys: run_obeys,
        translates: run_translates,
        recall: run_recall,
        index: run_index,
        likelier: run_zeroshot,
        sample: run_sample,
        export: run_export,
        imports: run_import,
        deploy: run_deploy,
        push: run_push,
    }
    for command, function in functions.items():
        command.set_defaults(command=function)
    return parser


def _add_settings(parser: argparse.ArgumentParser, settings: tuple) -> None:
    for f in settings:
        flag = _flag(f.metadata["label"] or f.name)
        choices = f.metadata["choices"] or None
        parser.add_argument(flag, dest=f.name, type=type(f.default), choices=choices, default=None, help=f.metadata["help"])


def _given(options: argparse.Namespace, settings: tuple) -> dict[str, Any]:
    """The settings on the command line."""
    return {f.name: getattr(options, f.name) for f in settings if getattr(options, f.name, None) is not None}


def run_train(options: argparse.Namespace) -> int:
    """Trains with a progress bar. Ctrl-C, SIGTERM or a closed terminal writes a checkpoint first."""
    run = Run(options.runs / _plain_name(options.run))
    if options.job or options.resume_job:
        return _train_in_job(run, options)
    with joined(options.device) as (processes, device):
        if not processes.leads:
            return _follow(run, options, processes, device)
        make_task = _resuming(run, options) if options.resume else _starting(run, options)
        with run.claimed():
            if options.resume:
                trainer = Trainer.resume(run, make_task(), device, processes)
            else:
                trainer = Trainer.start(run, make_task(), device, DTYPES.get(options.precision), processes)
            processes.same(trainer.about["precision"])
            trainer.meet()
            try:
                return _train(run, trainer, options)
            except BrokenPipeError:
                trainer.save()
                return NOBODY_READS
            except LostProcessError as error:
                trainer.save()
                raise TrainingError(f"{error} Stopped after step {trainer.step:,}. Resume with: {_resume_command(run, options)}") from error


def _train_in_job(run: Run, options: argparse.Namespace) -> int:
    """Trains on Hugging Face's machines.

    Raises:
        ParameterError: the task or an option is none for a job.
    """
    from model.hub.job import Order, resume_job, train_in_job  # the Hub's client takes long to import

    if options.resume_job:
        return resume_job(options.resume_job, run.folder)
    preset = _chosen(options)
    _check_inputs(options, preset.task)
    if options.resume:
        raise ParameterError("A job begins a new run: leave out --resume. A job that runs goes on with --resume-job ID.")
    if preset.task not in (PRETRAIN, TRANSLATE):
        raise ParameterError(f"A job begins with random weights: the task {preset.task}, which needs a model of yours, is not for --job.")
    if options.corpus:
        load_corpus(options.corpus)  # checks it
    given = _given(options, SETTINGS) | {name: getattr(options, name) for name in ("preset", "task") if getattr(options, name)}
    labels = {f.name: f.metadata["label"] or f.name for f in SETTINGS}
    arguments = [part for name, value in given.items() for part in (_flag(labels.get(name, name)), str(value))]
    order = Order(run.folder, (*arguments, "--precision", options.precision), options.corpus, options.hardware, options.timeout)
    return train_in_job(order)


def _follow(run: Run, options: argparse.Namespace, processes: Processes, device: torch.device) -> int:
    """Trains with the first process, which says all that there is to say."""
    try:
        if precision := processes.same(""):
            task = (_resuming(run, options) if options.resume else _starting(run, options))()
            trainer = Trainer(run, task, device, DTYPES[precision], processes)
            trainer.meet()
            trainer.follow()
    except LostProcessError:
        return 1
    return 0


def _starting(run: Run, options: argparse.Namespace) -> Callable[[], Task]:
    """Makes the task of a new run. Its inputs are read now: an error here leaves no folder behind."""
    preset = _chosen(options)
    _check_inputs(options, preset.task)
    network = preset.network
    if isinstance(preset.recipe, TranslateConfig):
        return _starting_translate(options, preset)
    if isinstance(network, NetworkConfig):
        corpus = load_corpus(options.corpus)
        return lambda: Pretrain(corpus, network, preset.recipe)
    starting = {SFT: _starting_sft, REWARD: _starting_reward, POLICY: _starting_policy, EMBED: _starting_embed}[preset.task]
    return starting(run, options, preset)


def _starting_sft(run: Run, options: argparse.Namespace, preset: Preset) -> Callable[[], Task]:
    parent, recipe, changes = _parent(run, options), preset.recipe, preset.network
    assert isinstance(recipe, SFTConfig)
    assert isinstance(changes, FromParent)
    pairs = load_pairs(options.pairs) if options.pairs else None
    corpus = load_corpus(options.corpus) if options.corpus or recipe.plays_share or not pairs else None
    return lambda: FineTune.begin(parent, changes, recipe, pairs, corpus)


def _starting_reward(run: Run, options: argparse.Namespace, preset: Preset) -> Callable[[], Task]:
    recipe, changes = preset.recipe, preset.network
    assert isinstance(recipe, RewardConfig)
    assert isinstance(changes, FromParent)
    start = Start.of(_parent(run, options), changes)
    dtype = DTYPES.get(options.precision) or training_dtype(start.config.n_embd, torch.device("cpu"))
    given = load_comparisons(options.comparisons) if options.comparisons else None
    text = load_corpus(options.corpus).text if recipe.made else ""

    def make_task() -> Task:
        with tqdm(total=recipe.made, unit="comparison", dynamic_ncols=True, disable=not recipe.made) as bar:
            comparisons = gather(options.parent, given, text, recipe, dtype, lambda found: bar.update(found - bar.n))
        return LearnReward.begin(start, recipe, *comparisons)

    return make_task


def _starting_policy(run: Run, options: argparse.Namespace, preset: Preset) -> Callable[[], Task]:
    parent, recipe, changes = _parent(run, options), preset.recipe, preset.network
    assert isinstance(recipe, PolicyConfig)
    assert isinstance(changes, FromParent)
    reward: Reward = RuleReward() if options.reward == RULE else LearnedReward.load(Path(options.reward or SHIPPED_REWARD))
    corpus = load_corpus(options.corpus)
    return lambda: Reinforce.begin(parent, changes, recipe, corpus, reward)


def _starting_translate(options: argparse.Namespace, preset: Preset) -> Callable[[], Task]:
    network, recipe = preset.network, preset.recipe
    assert isinstance(network, NetworkConfig)
    assert isinstance(recipe, TranslateConfig)
    corpus = load_corpus(options.corpus) if RULES[recipe.rule].reads_lines else None
    return lambda: Translate(network, recipe, corpus)


def _starting_embed(run: Run, options: argparse.Namespace, preset: Preset) -> Callable[[], Task]:
    parent, recipe, changes = _parent(run, options), preset.recipe, preset.network
    assert isinstance(recipe, EmbedConfig)
    assert isinstance(changes, FromParent)
    task = Embed.begin(Start.of(parent, changes), recipe, load_corpus(options.corpus))
    return lambda: task


def _parent(run: Run, options: argparse.Namespace) -> Weights:
    """The model that a run is fine-tuned from, with its adapters if it has any.

    Raises:
        ParameterError: none is named.
        CheckpointError: it cannot be loaded, or lies where the run could not find it again.
    """
    if options.parent is None:
        raise ParameterError("Fine-tuning needs a parent model. Name one with --from, such as weights/shakespeare.")
    parent = load_weights(options.parent, merge=False)
    find_folder(parent.origin, run.folder)
    if parent.adapter:
        find_folder(parent.adapter.base, run.folder)
    return parent


def _resuming(run: Run, options: argparse.Namespace) -> Callable[[], Task]:
    """Makes the task of a run to resume."""
    if typed := [*_given(options, SETTINGS), *(name for name in TYPED if getattr(options, name) is not None)]:
        raise ParameterError(
            "A resumed run keeps its settings: leave out " + ", ".join(_flag(NAMES.get(option, option)) for option in typed) + "."
        )
    if not run.exists():
        raise ParameterError(f"There is no run {run.folder} to resume. Name one with --run.")
    return lambda: _resumed(run, options)


def _resumed(run: Run, options: argparse.Namespace) -> Task:
    task = run.plan().about.get("task", PRETRAIN)
    if options.task not in (None, task):
        raise ParameterError(f"{run.folder} has the task {task}, not {options.task}. Leave out --task.")
    _check_inputs(options, task)
    known = run.plan().about.get("corpus", {}).get("sha256")
    if task == PRETRAIN:
        return Pretrain.resume(run, load_corpus(options.corpus, known))
    if task == REWARD:
        return LearnReward.resume(run)
    if task == POLICY:
        return Reinforce.resume(run)
    if task == TRANSLATE:
        return Translate.resume(run, load_corpus(options.corpus, known) if known else None)
    if task == EMBED:
        return Embed.resume(run, load_corpus(options.corpus, known))
    return FineTune.resume(run, load_corpus(options.corpus, known) if known else None)


def _chosen(options: argparse.Namespace) -> Preset:
    """The preset with the settings on the command line."""
    task = getattr(options, "task", None)
    key = options.preset or DEFAULT_PRESETS[task or PRETRAIN]
    preset = PRESETS[key]
    if task not in (None, preset.task):
        raise ParameterError(f"The preset {key} is for the task {preset.task}, not {task}. Leave out --task, or choose another preset.")
    return preset.changed(_given(options, SETTINGS))


def _check_inputs(options: argparse.Namespace, task: str) -> None:
    """
    Raises:
        ParameterError: an input of another task is given.
    """
    for other, inputs in INPUTS.items():
        for option in sorted(inputs - INPUTS[task]):
            if getattr(options, option) is not None:
                raise ParameterError(f"{_flag(NAMES.get(option, option))} is for the task {other}, not {task}. Leave it out.")


def run_pace(options: argparse.Namespace) -> int:
    """Prints a JSON object: the estimated seconds of a whole run, and its parts."""
    preset = _chosen(options)
    assert isinstance(preset.network, NetworkConfig)
    network = replace(preset.network, vocab_size=options.vocab_size)
    pace = measure_pace(network, preset.recipe, choose_device(options.device))
    print(json.dumps({"takes_s": pace.takes_s(preset.recipe, options.characters), **asdict(pace)}))
    return 0


def _train(run: Run, trainer: Trainer, options: argparse.Namespace) -> int:
    task = trainer.task
    print(
        f"{run.folder}: {trainer.model.n_params() / 1e6:.2f} M parameters, {task.config.vocab_size} characters, "
        f"{trainer.device.type}, {trainer.about['precision']}. Ctrl-C stops; --resume continues."
    )
    if run.notices:
        notice = " ".join(run.notices)
        print(notice)
        run.note(notice=notice)
    if trainer.step == trainer.recipe.steps:
        print("The run has already finished.")
    told = len(run.notices)
    finished = _train_to_the_end(trainer)
    for notice in run.notices[told:]:
        print(notice)
    if not finished:
        trainer.save()
        print(f"Stopped after step {trainer.step:,}. Resume with: {_resume_command(run, options)}")
        return 130 if trainer.processes.count == 1 else 0  # torchrun would call it a failure
    export = _command("export", _path_argument(run.folder), f"weights/{run.folder.name}")
    print(f"Best validation loss {trainer.best:.4f}. Export the weights with: {export}")
    return 0


def _resume_command(run: Run, options: argparse.Namespace) -> str:
    """The command line that continues a run from the same folder, with the same files."""
    paths = {"--runs": options.runs, "--corpus": options.corpus}
    defaults = (None, DEFAULT_RUNS)
    given = [part for flag, path in paths.items() if path not in defaults for part in (flag, _path_argument(path))]
    device = ["--device", options.device] if options.device != "auto" else []
    return _command("train", "--run", run.folder.name, "--resume", *given, *device, program=launcher())


def _command(*arguments: str, program: Sequence[str] = ()) -> str:
    """A command line of this program, as it can be pasted into the shell that this one was typed in.

    Args:
        program: what runs it, up to this program's name; by default, what runs this one.
    """
    return shlex.join([*(program or (sys.orig_argv[0], "-m", "model")), *arguments])


def _path_argument(path: Path) -> str:
    """A path that is not taken for an option, whatever it begins with."""
    return f".{os.sep}{path}" if str(path).startswith("-") else str(path)


def _train_to_the_end(trainer: Trainer) -> bool:
    """Trains with a progress bar; False if a signal ended it early."""
    asked_to_stop = []

    def stop(*_: object) -> None:
        asked_to_stop.append(True)
        trainer.interrupt()

    on_stop(stop)
    signal.signal(signal.SIGINT, stop)  # also where a shell began it in the background, with Ctrl-C ignored: a script may send it
    chars_per_step = trainer.recipe.batch_size * trainer.task.config.block_size
    shown: dict[str, str] = {}
    bar = tqdm(total=trainer.recipe.steps, initial=trainer.step, unit="step", dynamic_ncols=True)
    with bar, contextlib.suppress(EvaluationStoppedError):
        for metrics in trainer.steps():
            if "loss" in metrics:
                bar.update()
                shown["loss"] = f"{metrics['loss']:.3f}"
                if trainer.task.name == PRETRAIN:  # rows of other tasks have any length
                    shown["chars/s"] = f"{chars_per_step * (bar.format_dict['rate'] or 0):,.0f}"
            else:
                shown["val"] = f"{min(v for k, v in metrics.items() if k.startswith('val_loss')):.4f}"
                bar.write(f"step {metrics['step']:,}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items() if k != "step"))
            bar.set_postfix(shown, refresh=False)
            if asked_to_stop and trainer.step < trainer.recipe.steps:
                return False
        return True
    return False


def run_eval(options: argparse.Namespace) -> int:
    """Prints a model's validation loss."""
    weights, corpus, validation_ids = _load_to_evaluate(options)
    off = check_parts([*map(read_part, options.ablate)], weights.model.config)
    without = f" without {', '.join(map(part_name, off))}" if off else ""
    began = time.monotonic()
    loss = mean_loss(weights.model, validation_ids, off)
    print(
        f"{options.weights}{without}: validation loss {loss:.4f} nats per character over {len(validation_ids) - 1:,} characters "
        f"of {_text_in_words(corpus, weights)} ({options.precision}, {time.monotonic() - began:.1f} s)"
    )
    return 0


def run_heads(options: argparse.Namespace) -> int:
    """Measures each head, MLP and the position embedding, and prints the table that it writes."""
    weights, corpus, validation_ids = _load_to_evaluate(options)
    about = {"corpus": corpus.name, "corpus_sha256": corpus.sha256, "precision": options.precision}
    with tqdm(total=n_steps(weights), unit="loss", dynamic_ncols=True) as bar:
        table = measure_heads(options.weights, weights, validation_ids, about, bar.update)
    over = f"{table['characters']:,} characters of {_text_in_words(corpus, weights)}"
    print(f"{options.weights}: validation loss {table['loss']:.4f} over {over} ({options.precision}).")
    for row in table["heads"]:
        share = f" {row[row['label']]:.2f}" if row["label"] in row else ""
        print(f"{row['layer']}.{row['head']}  loss without it {row['loss']:.4f}  {row['worth']:+.4f}  {row['label']}{share}")
    for row in table["others"]:
        print(f"{row['part']}  loss without it {row['loss']:.4f}  {row['worth']:+.4f}")
    return 0


def run_draft(options: argparse.Namespace) -> int:
    """Counts what follows what in the training text and keeps it beside the weights."""
    weights = load_weights(options.weights)
    text = _corpus_to_evaluate(options, weights).text
    ids = weights.tokenizer.encode(weights.tokenizer.normalise(text[: train_chars(len(text))])[0])
    path = save_draft(options.weights, ids, len(weights.tokenizer))
    print(f"Wrote {path}: {path.stat().st_size:,} bytes.")
    return 0


def run_obeys(options: argparse.Namespace) -> int:
    """Prints how often a model obeys requests that no example has."""
    weights = load_weights(options.weights, choose_device(options.device))
    weights.model.compute_dtype = DTYPES[options.precision]
    config = ObeysConfig(**_given(options, fields(ObeysConfig)))
    with tqdm(total=len(SKILLS) * config.asked, unit="answer", dynamic_ncols=True) as bar:
        obeys = measure(weights, config, bar.update) | {"precision": options.precision}
    for skill, success in (*obeys["skills"].items(), ("all", obeys["mean"])):
        distinct = "" if success["distinct"] is None else f"  distinct answers {success['distinct']:.0%}"
        interval = f"(95 % interval {success['low']:.0%} to {success['high']:.0%}, n = {success['n']:,})"
        print(f"{skill:10} {success['obeys']:4.0%}  {interval}{distinct}")
    if options.save:
        save(options.weights, obeys)
    return 0


def run_translates(options: argparse.Namespace) -> int:
    """Prints how often a network translates sources without a mistake that no training drew."""
    translator = Translator.load(options.weights, choose_device(options.device))
    corpus = load_corpus(options.corpus) if translator.rule.reads_lines else None
    with tqdm(unit="source", dynamic_ncols=True) as bar:
        measured = translates.measure(translator, corpus, TranslatesConfig(**_given(options, fields(TranslatesConfig))), bar.update)
    rows = [(f"{one['from']} to {one['to']}", "" if one["trained"] else "  longer than learned", one) for one in measured["lengths"]]
    rows.append(("learned", "", measured["trained"]))
    if measured["changed"]:
        rows.append(("changed", "  of them: those that the rule changes", measured["changed"]))
    for what, note, one in rows:
        print(f"{what:10} {one['right']:6.1%}  (95 % interval {one['low']:.1%} to {one['high']:.1%}, n = {one['n']:,}){note}")
    print(f"{'copy':10} {measured['copied']:6.1%}  of those learned are right if they are copied")
    if diagonal := measured["diagonal"]:
        heads = "; ".join(", ".join(f"{share:.0%}" for share in layer) for layer in diagonal["heads"])
        print(f"Cross-attention has its maximum on the anti-diagonal in {diagonal['mean']:.1%} of steps (layers and heads: {heads}).")
    if options.save:
        translates.save(options.weights, measured)
    return 0


def run_recall(options: argparse.Namespace) -> int:
    """Prints how well embeddings find the second half of a speech from its first, beside what they must beat."""
    embedder, corpus = _load_embedder(options)
    parent = load_weights(find_folder(_parent_of(options.weights), options.weights))
    parent.model.compute_dtype = DTYPES[options.precision]
    table = measure_recall(embedder, MeanStates.of(parent), corpus.text)
    print(f"Second halves from first halves of the last tenth of {corpus.name} ({options.precision}).")
    for which, part in (("Speeches", table), (f"Those with halves of at least {LONG_CHARS} characters", table["long"])):
        if part:
            print(f"{which}: {part['n']:,}")
        for method, scores in part["methods"].items() if part else ():
            at = "  ".join(f"at {k} {share:5.1%}" for k, share in scores["recall"].items())
            print(f"{METHODS[method]:16} recall {at}  MRR {scores['mrr']:.3f}")
    if options.save:
        save_recall(options.weights, table | {"precision": options.precision})
    return 0


def run_index(options: argparse.Namespace) -> int:
    """Builds the index of the corpus's lines beside the weights."""
    embedder, corpus = _load_embedder(options)
    with tqdm(total=MAP_STEPS, unit="step", dynamic_ncols=True) as bar:
        index = Index.build(embedder, corpus.text, bar.update)
    index.save(options.weights)
    print(f"Wrote {options.weights / INDEX_FILE}: {len(index):,} lines of {len(index.plays)} plays, {len(index.speakers):,} speakers.")
    return 0


def _load_embedder(options: argparse.Namespace) -> tuple[Embedder, Corpus]:
    embedder = Embedder.load(options.weights, choose_device(options.device))
    embedder.network.compute_dtype = DTYPES[options.precision]
    return embedder, load_corpus(options.corpus)


def _parent_of(folder: Path) -> Origin:
    """The model that a folder's adapters change.

    Raises:
        CheckpointError: it has none.
    """
    adapter = read_adapter(folder, read_config(folder)[2])
    if adapter is None:
        raise CheckpointError(f"{folder / CONFIG_FILE} does not name the model that it was made from.")
    return adapter.base


def run_zeroshot(options: argparse.Namespace) -> int:
    """Prints how often the right one of two texts is likelier, by kind, for one model or all that ship, beside an n-gram model."""
    if options.save and not options.all:
        raise ParameterError("--save writes the results of all models that ship: add --all.")
    corpus = load_corpus()
    cut = train_chars(len(corpus.text))
    pairs, ngram = make_pairs(corpus.text), NGram(corpus.text[:cut])
    models: list[dict[str, Any]] = [
        zeroshot.about(zeroshot.CHANCE) | zeroshot.chance(pairs),
        zeroshot.about(zeroshot.NGRAM, val_loss=-float(ngram.log_probs(corpus.text[cut:]).mean())) | zeroshot.measure_ngram(ngram, pairs),
    ]
    device = choose_device(options.device)
    one = zeroshot.about(str(options.weights)), partial(load_weights, options.weights, device)
    chosen = _all_that_ship(device) if options.all else [one]
    speakers: dict[str, Any] = {}
    for about, load in chosen:
        weights = load()
        weights.model.compute_dtype = DTYPES[options.precision]
        with tqdm(desc=about["name"], unit="window", dynamic_ncols=True) as bar:
            models.append(about | zeroshot.measure(weights, pairs, bar.update))
        if about["id"] == SHIPPED_WEIGHTS.name:
            speakers = measure_speakers(weights, corpus.text)
    shown = [model for model in models[1:] if not options.all or model["group"] in (zeroshot.NGRAM, SHIPPED)]
    print(f"{'':28}" + "".join(f"{model['name'][-24:]:>26}" for model in shown))
    for kind in KINDS:
        shares = "".join(f"{_interval(model['kinds'][kind.id]):>26}" for model in shown)
        print(f"{kind.title:28}{shares}{'' if kind.is_counted else '  *'}")
    for model in models if options.all else shown:
        print(f"mean without * of {model['name']}: {_interval(model['mean'])}")
    for question, answer in speakers.items():
        print(f"who said it, {question}: {_interval(answer)}, n = {answer['n']}, chance {answer['chance']:.0%}")
    if options.save:
        measured = {"pairs": digest(pairs), "corpus": corpus.sha256, "precision": options.precision, "models": models, "speakers": speakers}
        zeroshot.save(WEIGHTS_FOLDER / MEANING_FOLDER, measured)
    return 0


def _all_that_ship(device: torch.device) -> Iterator[tuple[dict[str, Any], Callable[[], Weights]]]:
    """The shipped models that learned from the plays, from the lecture's first network on, and the snapshots of shipped runs: what is known
    of each, and what loads it."""
    catalogue = Catalogue(WEIGHTS_FOLDER, device=device)
    entries = [entry for entry in catalogue.entries() if not entry.trouble and entry.about.get("task") != TRANSLATE]
    for entry in sorted(entries, key=lambda entry: GROUPS.index(entry.source)):
        known: dict[str, Any] = {"key": entry.key, "parameters": entry.n_params, "val_loss": entry.val_loss}
        yield zeroshot.about(entry.id, entry.name, entry.source, **known), partial(catalogue.load, entry.key)
    for folder in catalogue.shipped_runs():
        losses = _validation_losses(Run(folder))
        for step, entry in catalogue.snapshots(SHIPPED, folder.name).items():
            known = {"key": entry.key, "parameters": entry.n_params, "val_loss": losses.get(step), "run": folder.name, "step": step}
            yield zeroshot.about(f"{entry.id}/{step}", entry.name, SNAPSHOT, **known), partial(catalogue.load, entry.key)


def _validation_losses(run: Run) -> dict[int, float]:
    """By step, the validation loss of the weights that a run keeps as snapshots: of their average, where it makes one."""
    return {int(line["step"]): line.get("val_loss_average", line["val_loss"]) for line in run.metrics() if "val_loss" in line}


def _interval(share: dict[str, Any]) -> str:
    return f"{share['right']:.1%} ({share['low']:.1%} to {share['high']:.1%})"


def _load_to_evaluate(options: argparse.Namespace) -> tuple[Weights, Corpus, Tensor]:
    """The weights in the chosen precision, the corpus, and its validation ids."""
    weights = load_weights(options.weights, choose_device(options.device))
    weights.model.compute_dtype = DTYPES[options.precision]
    corpus = _corpus_to_evaluate(options, weights)
    unknown = sorted(set(corpus.text) - set(weights.tokenizer.vocabulary))
    if unknown:
        raise CorpusError(f"The corpus has characters that the model does not know: {', '.join(map(name, unknown[:8]))}.")
    _, validation_ids = split(torch.tensor(weights.tokenizer.encode(corpus.text)), weights.model.config.block_size)
    return weights, corpus, validation_ids


def _corpus_to_evaluate(options: argparse.Namespace, weights: Weights) -> Corpus:
    """The text given with --corpus, or else the one that the model was trained on.

    Raises:
        CorpusError: the text cannot be read, or it is not known which one the model was trained on, or where that is.
    """
    name, sha256 = _trained_on(weights)
    if options.corpus is not None:
        return load_corpus(options.corpus, sha256)
    if not sha256:
        raise CorpusError(f"{options.weights / CONFIG_FILE} does not name the text that the model was trained on. Name one with --corpus.")
    if sha256 == TINY_SHAKESPEARE_SHA256:
        return load_corpus()
    kept = options.weights / CORPUS_FILE
    if os.path.isfile(kept) and (corpus := load_corpus(kept, sha256)).sha256 == sha256:
        return replace(corpus, name=name)
    raise CorpusError(f"{options.weights} was trained on another text than Tiny Shakespeare: {name}. Name its file with --corpus.")


def _trained_on(weights: Weights) -> tuple[str, str]:
    """Name and sha256 of the text that a model was trained on, from its config.json; "" if that does not say."""
    about = weights.about.get("corpus")
    name, sha256 = (about.get("name"), about.get("sha256")) if isinstance(about, dict) else (None, None)
    return (str(name), sha256) if isinstance(sha256, str) else ("", "")


def _text_in_words(corpus: Corpus, weights: Weights) -> str:
    """The name of a text, and whether the model was trained on another."""
    name, sha256 = _trained_on(weights)
    if not sha256:
        return f"{corpus.name}, which may not be the text that it was trained on"
    return corpus.name if corpus.sha256 == sha256 else f"{corpus.name}, not of the text that it was trained on ({name})"


def run_sample(options: argparse.Namespace) -> int:
    """Writes a text to the terminal, character by character, with the plain reference implementation."""
    weights = load_weights(options.weights, choose_device(options.device))
    check_prompt(options.prompt)
    params = SamplingParams(**({"seed": draw_seed()} | _given(options, fields(SamplingParams))))
    print(f"seed {params.seed}", file=sys.stderr)
    prompt, left_out = weights.tokenizer.normalise(options.prompt)
    if left_out:
        print(f"Left out, not in the vocabulary: {', '.join(map(name, left_out))}.", file=sys.stderr)
    print(prompt, end="", flush=True)
    for i in generate(weights.model, weights.tokenizer.encode_prompt(prompt), params):
        print(weights.tokenizer.vocabulary[i], end="", flush=True)
    print()
    return 0


def run_export(options: argparse.Namespace) -> int:
    """Copies a run's best weights, or its snapshots, to a folder of their own, or writes a model in another project's format."""
    if options.snapshots:
        steps = export_run(options.source, options.target)
        print(f"Wrote {options.target}: the curve, the samples, and the weights at {', '.join(f'{step:,}' for step in steps)} steps.")
        return 0
    weights = load_weights(options.source, merge=options.format is not None, writes=True if options.format else None)
    if options.format:
        if type(weights.model) is not GPT:
            raise ParameterError(f"{options.source} is a network of the kind {weights.kind}, and {options.format} knows only the kind gpt.")
        written = WRITERS[options.format](weights, options.target)
        print(f"Wrote {', '.join(map(str, written.files))}. {written.hint}")
        return 0
    path = options.source / BEST_FILE
    _, best = load_tensors(path)
    if type(best.get("step")) is not int or val_loss({"best": best}) is None:
        raise CheckpointError(f"{path} does not say at which step it was written and with which loss, so it is not that of a run.")
    wrote = "Replaced" if (options.target / CONFIG_FILE).exists() else "Wrote"
    save_weights(options.target, weights.model, weights.tokenizer, weights.about | {"best": best})
    if isinstance(weights.model, RewardGPT):  # the comparisons that it is measured on go with it
        write_atomically(options.target / HELD_OUT_FILE, read_file(options.source / HELD_OUT_FILE))
    print(f"{wrote} {options.target}: step {best['step']:,}, validation loss {best['val_loss']:.4f} while training.")
    return 0


def run_import(options: argparse.Namespace) -> int:
    """Writes a model of another project as a folder of weights, in float32 where 16 bits would change it."""
    tokenizer = CharTokenizer.from_text(load_corpus(options.vocabulary).text) if options.vocabulary else None
    weights = load_weights(options.source) if is_own(options.source) else read_foreign(options.source, tokenizer, options.heads)
    about = weights.about | {"imported_from": options.source.name}
    save_weights(options.target, weights.model, weights.tokenizer, about, dtype_without_loss(weights))
    print(f"Wrote {options.target}: {weights.model.n_params():,} parameters, {len(weights.tokenizer)} characters.")
    return 0


def run_deploy(options: argparse.Namespace) -> int:
    """Deploys this checkout, and shows the address with its QR code."""
    from model.hub.deploy import deploy  # the Hub's client takes long to import

    address = deploy(options.name, options.hardware, options.private, options.dry_run)
    if address:
        print(f"Soliloquy is at {address}")
        if sys.stdout.isatty():
            print(qr_picture(address))
    return 0


def run_push(options: argparse.Namespace) -> int:
    """Sends a model to the Hub."""
    from model.hub.push import push  # which takes a second to import

    pushed = push(options.source, options.repo, options.private, options.license)
    did = "Sent" if pushed.is_new else "There is nothing new: the Hub has"
    print(f"{did} {', '.join(pushed.files)}. {'Private' if pushed.is_private else 'Public'}: {pushed.url}, commit {pushed.commit}.")
    print(f"Use it with: --weights hub:{options.repo}")
    return 0


def _plain_name(text: str) -> str:
    """A run's name, which is also its folder's, and is not taken for an option."""
    if not text or text[0] in ".-" or not all(c.isascii() and (c.isalnum() or c in "._-") for c in text) or len(text) > 64:
        raise ParameterError(f"A run's name is up to 64 letters, digits, '.', '_' and '-', not beginning with '.' or '-': not {text!r}.")
    return text


def _flag(setting: str) -> str:
    return "--" + setting.replace("_", "-")


if __name__ == "__main__":
    run_program(main)
