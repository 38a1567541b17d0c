"""Models of other projects, in and out: nanoGPT, minGPT, Transformers, and the lecture's gpt.py.

The networks of nanoGPT, minGPT and the lecture are rewritten here in their own structure, as references.
"""

from __future__ import annotations

import copy
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from model.__main__ import main
from model.config import GPTConfig
from model.data import split
from model.errors import CheckpointError, ParameterError
from model.evaluation import mean_loss
from model.formats.read import read_foreign
from model.formats.write import WRITERS
from model.network.gpt import GPT
from model.tokenizer import CharTokenizer
from model.weights import SHIPPED_WEIGHTS, Weights, load_weights

VOCABULARY = "\n abcdefghij"
SHAPE = SimpleNamespace(n_layer=2, n_head=3, n_embd=48, block_size=16, vocab_size=len(VOCABULARY))


@pytest.fixture(scope="module")
def shipped() -> Weights:
    return load_weights(SHIPPED_WEIGHTS)


@pytest.fixture(scope="module")
def text_ids(shipped: Weights) -> Tensor:
    text = "ROMEO:\nWhat is the matter, that you thus\nDo look upon me? " * 4
    return torch.tensor([shipped.tokenizer.encode(text)[:200]])


class Attention(nn.Module):
    """Causal self-attention of nanoGPT and minGPT."""

    def __init__(self, shape: Any, bias: bool):
        super().__init__()
        self.n_head = shape.n_head
        self.c_attn = nn.Linear(shape.n_embd, 3 * shape.n_embd, bias=bias)
        self.c_proj = nn.Linear(shape.n_embd, shape.n_embd, bias=bias)
        size = shape.block_size
        self.register_buffer("bias", torch.tril(torch.ones(size, size)).view(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        n_rows, length, width = x.shape
        q, k, v = (part.view(n_rows, length, self.n_head, -1).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2))
        scores = (q @ k.transpose(-2, -1)) / (width / self.n_head) ** 0.5
        scores = scores.masked_fill(self.bias[:, :, :length, :length] == 0, -torch.inf)  # type: ignore[index]
        return self.c_proj((F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(n_rows, length, width))


class Norm(nn.Module):
    """nanoGPT's LayerNorm with an optional bias."""

    def __init__(self, width: int, bias: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Karpathy(nn.Module):
    """nanoGPT's network, or minGPT's."""

    def __init__(self, shape: Any, bias: bool, gelu: str, tied: bool):
        super().__init__()
        blocks = []
        for _ in range(shape.n_layer):
            block = nn.Module()
            block.ln_1, block.ln_2, block.attn, block.mlp = (
                Norm(shape.n_embd, bias),
                Norm(shape.n_embd, bias),
                Attention(shape, bias),
                nn.Module(),
            )
            block.mlp.c_fc = nn.Linear(shape.n_embd, 4 * shape.n_embd, bias=bias)  # type: ignore[union-attr]
            block.mlp.c_proj = nn.Linear(4 * shape.n_embd, shape.n_embd, bias=bias)  # type: ignore[union-attr]
            blocks.append(block)
        self.gelu = gelu
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(shape.vocab_size, shape.n_embd),
                "wpe": nn.Embedding(shape.block_size, shape.n_embd),
                "h": nn.ModuleList(blocks),
                "ln_f": Norm(shape.n_embd, bias),
            }
        )
        self.lm_head = nn.Linear(shape.n_embd, shape.vocab_size, bias=False)
        if tied:
            self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, ids: Tensor) -> Tensor:
        parts: Any = self.transformer
        x = parts["wte"](ids) + parts["wpe"](torch.arange(ids.shape[1]))
        for block in parts["h"]:
            x = x + block.attn(block.ln_1(x))
            x = x + block.mlp.c_proj(F.gelu(block.mlp.c_fc(block.ln_2(x)), approximate=self.gelu))
        return self.lm_head(parts["ln_f"](x))


class LectureHead(nn.Module):
    def __init__(self, shape: Any):
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(shape.n_embd, shape.n_embd // shape.n_head, bias=False) for _ in range(3))
        self.register_buffer("tril", torch.tril(torch.ones(shape.block_size, shape.block_size)))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        weights = self.query(x) @ self.key(x).transpose(-2, -1) * self.key.weight.shape[0] ** -0.5
        weights = weights.masked_fill(self.tril[:length, :length] == 0, -torch.inf)  # type: ignore[index]
        return F.softmax(weights, dim=-1) @ self.value(x)


class Lecture(nn.Module):
    """The network of the lecture's gpt.py."""

    def __init__(self, shape: Any):
        super().__init__()
        self.token_embedding_table = nn.Embedding(shape.vocab_size, shape.n_embd)
        self.position_embedding_table = nn.Embedding(shape.block_size, shape.n_embd)
        self.blocks = nn.Sequential()
        for _ in range(shape.n_layer):
            block: Any = nn.Module()
            block.sa, block.ffwd = nn.Module(), nn.Module()
            block.sa.heads = nn.ModuleList(LectureHead(shape) for _ in range(shape.n_head))
            block.sa.proj = nn.Linear(shape.n_embd, shape.n_embd)
            block.ffwd.net = nn.Sequential(nn.Linear(shape.n_embd, 4 * shape.n_embd), nn.ReLU(), nn.Linear(4 * shape.n_embd, shape.n_embd))
            block.ln1, block.ln2 = nn.LayerNorm(shape.n_embd), nn.LayerNorm(shape.n_embd)
            self.blocks.append(block)
        self.ln_f = nn.LayerNorm(shape.n_embd)
        self.lm_head = nn.Linear(shape.n_embd, shape.vocab_size)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embedding_table(ids) + self.position_embedding_table(torch.arange(ids.shape[1]))
        for block in self.blocks:
            normal = block.ln1(x)
            x = x + block.sa.proj(torch.cat([head(normal) for head in block.sa.heads], dim=-1))
            x = x + block.ffwd.net(block.ln2(x))
        return self.lm_head(self.ln_f(x))


def shuffled(network: nn.Module) -> nn.Module:
    """The network with parameters that all matter, in evaluation mode."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return network.eval()


@torch.no_grad()
def logits(network: nn.Module) -> Tensor:
    ids = torch.randint(SHAPE.vocab_size, (3, SHAPE.block_size), generator=torch.Generator().manual_seed(1))
    found = network(ids)
    return found.logits if hasattr(found, "logits") else found


def write_meta(folder: Path) -> None:
    itos = dict(enumerate(VOCABULARY))
    (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(itos), "itos": itos, "stoi": {c: i for i, c in itos.items()}}))


def save_nanogpt(folder: Path, bias: bool, prefix: str = "") -> nn.Module:
    network = shuffled(Karpathy(SHAPE, bias, gelu="none", tied=True))
    arguments = {**vars(SHAPE), "bias": bias, "dropout": 0.0}
    state = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(
        {"model": state, "model_args": arguments, "iter_num": 7, "best_val_loss": torch.tensor(1.5), "config": {}}, folder / "ckpt.pt"
    )
    write_meta(folder)
    return network


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "module._orig_mod."])
def test_a_checkpoint_of_nanogpt_computes_the_same(tmp_path: Path, bias: bool, prefix: str) -> None:
    theirs = save_nanogpt(tmp_path, bias, prefix)
    assert main(["import", str(tmp_path / "ckpt.pt"), str(tmp_path / "ours")]) == 0
    ours = load_weights(tmp_path / "ours")
    torch.testing.assert_close(logits(ours.model), logits(theirs), atol=5e-5, rtol=0)
    assert "".join(ours.tokenizer.vocabulary) == VOCABULARY
    assert ours.model.config.bias is bias
    assert ours.model.config.tied_head


def test_a_state_dict_of_mingpt_computes_the_same(tmp_path: Path) -> None:
    theirs = shuffled(Karpathy(SHAPE, bias=True, gelu="tanh", tied=False))
    torch.save(theirs.state_dict(), tmp_path / "model.pt")
    (tmp_path / "corpus.txt").write_text(VOCABULARY * 2)
    ours = read_foreign(tmp_path / "model.pt", vocabulary_of(tmp_path), None)  # 48 channels: minGPT's gpt-nano has 3 heads
    torch.testing.assert_close(logits(ours.model), logits(theirs), atol=5e-5, rtol=0)
    command = ["import", str(tmp_path / "model.pt"), str(tmp_path / "ours"), "--vocabulary", str(tmp_path / "corpus.txt")]
    assert main(command) == 0
    torch.testing.assert_close(logits(load_weights(tmp_path / "ours").model), logits(theirs), atol=5e-5, rtol=0)


def vocabulary_of(folder: Path) -> CharTokenizer:
    return CharTokenizer.from_text((folder / "corpus.txt").read_text())


def test_the_lectures_gpt_computes_the_same(tmp_path: Path) -> None:
    theirs = shuffled(Lecture(SHAPE))
    torch.save(theirs.state_dict(), tmp_path / "gpt.pt")
    (tmp_path / "corpus.txt").write_text(VOCABULARY)
    assert main(["import", str(tmp_path / "gpt.pt"), str(tmp_path / "ours"), "--vocabulary", str(tmp_path / "corpus.txt")]) == 0
    torch.testing.assert_close(logits(load_weights(tmp_path / "ours").model), logits(theirs), atol=1e-4, rtol=0)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_gpt2_of_transformers_computes_the_same(tmp_path: Path, activation: str, tied: bool) -> None:
    config = GPT2Config(
        vocab_size=SHAPE.vocab_size,
        n_positions=16,
        n_embd=48,
        n_layer=2,
        n_head=3,
        activation_function=activation,
        tie_word_embeddings=tied,
    )
    theirs = shuffled(GPT2LMHeadModel(config))
    theirs.save_pretrained(tmp_path / "theirs")
    (tmp_path / "corpus.txt").write_text(VOCABULARY)
    ours = read_foreign(tmp_path / "theirs", vocabulary_of(tmp_path))
    torch.testing.assert_close(logits(ours.model), logits(theirs), atol=5e-5, rtol=0)


def test_transformers_loads_and_writes_with_what_was_exported(tmp_path: Path, shipped: Weights, text_ids: Tensor) -> None:
    assert main(["export", str(SHIPPED_WEIGHTS), str(tmp_path / "gpt2"), "--format", "transformers"]) == 0
    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path / "gpt2"), AutoTokenizer.from_pretrained(tmp_path / "gpt2")
    with torch.no_grad():
        torch.testing.assert_close(theirs(text_ids).logits, shipped.model(text_ids), atol=1e-4, rtol=0)
    prompt = "ROMEO:\nWhat is  it? "
    encoded = tokenizer(prompt, return_tensors="pt")
    assert encoded.input_ids[0].tolist() == shipped.tokenizer.encode(prompt)
    assert tokenizer.decode(encoded.input_ids[0]) == prompt
    written = tokenizer.decode(theirs.generate(**encoded, max_new_tokens=20, do_sample=False)[0])
    assert len(written) == len(prompt) + 20
    assert written.startswith(prompt)


def test_nanogpt_loads_what_was_exported(tmp_path: Path, shipped: Weights, text_ids: Tensor) -> None:
    assert main(["export", str(SHIPPED_WEIGHTS), str(tmp_path), "--format", "nanogpt"]) == 0
    checkpoint = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    assert checkpoint["model_args"].keys() == {*vars(SHAPE), "bias", "dropout"}  # the fields of its GPTConfig, which takes no others
    assert checkpoint["config"]["dataset"] == "shakespeare"  # the folder in data/ where sample.py looks for meta.pkl
    arguments = SimpleNamespace(**checkpoint["model_args"])
    theirs = Karpathy(arguments, arguments.bias, gelu="none", tied=True)
    missing, surplus = theirs.load_state_dict(checkpoint["model"], strict=False)
    assert {name.rpartition(".")[2] for name in missing} == {"bias"}  # the masks, which are no parameters
    assert not surplus
    with torch.no_grad():
        torch.testing.assert_close(theirs(text_ids), shipped.model(text_ids), atol=1e-4, rtol=0)
    meta = pickle.loads((tmp_path / "meta.pkl").read_bytes())
    assert meta["stoi"]["R"] == shipped.tokenizer.encode("R")[0]
    assert meta["vocab_size"] == 65


def test_mingpt_loads_what_was_exported(tmp_path: Path, shipped: Weights, text_ids: Tensor) -> None:
    assert main(["export", str(SHIPPED_WEIGHTS), str(tmp_path), "--format", "mingpt"]) == 0
    theirs = Karpathy(
        shipped.model.config, bias=True, gelu="none", tied=False
    )  # the weights move without loss; its own GELU is another one
    theirs.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    with torch.no_grad():
        torch.testing.assert_close(theirs(text_ids), shipped.model(text_ids), atol=1e-4, rtol=0)


HINTS = {"nanogpt": "python sample.py --out_dir=", "mingpt": "n_layer=6, n_head=6, n_embd=384", "transformers": "AutoTokenizer"}


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_a_model_comes_back_from_every_format_as_it_was(tmp_path: Path, shipped: Weights, format: str) -> None:
    written = WRITERS[format](shipped, tmp_path)
    assert HINTS[format] in written.hint
    assert all(path.is_file() for path in written.files)
    again = read_foreign(tmp_path)
    assert again.model.config == replace(shipped.model.config, dropout=0.0)
    assert again.tokenizer.vocabulary == shipped.tokenizer.vocabulary
    for name, tensor in shipped.model.state_dict().items():
        assert again.model.state_dict()[name].equal(tensor), name


@pytest.mark.slow
@pytest.mark.parametrize("format", sorted(WRITERS))
def test_the_loss_is_the_same_after_every_format(tmp_path: Path, shipped: Weights, corpus_path: Path, format: str) -> None:
    _, ids = split(torch.tensor(shipped.tokenizer.encode(corpus_path.read_text(encoding="utf-8"))), shipped.model.config.block_size)
    assert main(["export", str(SHIPPED_WEIGHTS), str(tmp_path / "theirs"), "--format", format]) == 0
    assert main(["import", str(tmp_path / "theirs"), str(tmp_path / "ours")]) == 0
    part = ids[:20_000]
    loss = mean_loss(load_weights(tmp_path / "ours").model, part)
    assert loss == pytest.approx(mean_loss(shipped.model, part), abs=1e-4)
    assert 1.2 < loss < 1.6


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    save_nanogpt(tmp_path, bias=False)
    sprung = tmp_path / "sprung"
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps({"itos": Trap(sprung)}))
    with pytest.raises(CheckpointError, match=r"meta\.pkl is not the vocabulary of a character-level nanoGPT \(it has more than texts"):
        read_foreign(tmp_path)
    torch.save({"model": Trap(sprung), "model_args": {}}, tmp_path / "ckpt.pt")
    with pytest.raises(CheckpointError, match=r"ckpt\.pt is not a file of weights that can be read without running code from it"):
        read_foreign(tmp_path)
    assert not sprung.exists()


MATRIX, NORM = "transformer.h.0.attn.c_attn.weight", "transformer.ln_f.bias"
NO_TENSORS: dict[str, tuple[str, Tensor, str]] = {
    "endless": (NORM, torch.zeros(1).expand(4 * 10**10), "larger tensors than a file of its size"),
    "empty": (MATRIX, torch.empty(144, 48, device="meta"), "is sparse, quantized or without numbers"),
    "sparse": (MATRIX, torch.zeros(144, 48).to_sparse(), "is sparse, quantized or without numbers"),
    "flat": ("transformer.wte.weight", torch.zeros(9), r"has no matrix transformer\.wte\.weight"),
}


@pytest.mark.parametrize("way", NO_TENSORS)
def test_a_tensor_that_is_not_plain_numbers_is_refused(tmp_path: Path, way: str) -> None:
    name, tensor, words = NO_TENSORS[way]
    state = shuffled(Karpathy(SHAPE, bias=True, gelu="tanh", tied=False)).state_dict()
    torch.save(state | {name: tensor}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=words):
        read_foreign(tmp_path, CharTokenizer(VOCABULARY))


@pytest.mark.parametrize(
    "name", ["blocks.0.sa.heads.0.key.weight", "lm_head.weight", "lm_head.bias", "ln_f.bias", "token_embedding_table.weight"]
)
@pytest.mark.parametrize("tensor", [torch.zeros(7), torch.zeros(3, 7)], ids=["vector", "matrix"])
def test_a_lectures_tensor_of_another_shape_is_refused(tmp_path: Path, name: str, tensor: Tensor) -> None:
    torch.save(shuffled(Lecture(SHAPE)).state_dict() | {name: tensor}, tmp_path / "gpt.pt")
    with pytest.raises((CheckpointError, ParameterError), match=r"gpt\.pt|cannot be moved|multiple of n_head"):
        read_foreign(tmp_path / "gpt.pt", CharTokenizer(VOCABULARY))


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    """It may be a thousand times as large once it is read."""
    torch.save({"weight": torch.zeros(10_000)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match="is compressed"):
        read_foreign(tmp_path / "model.pt")


def nested(kind: type, depth: int) -> Any:
    """A list or tuple of two that are the same one, and so on: a few bytes that take any time to look at."""
    value = kind(("a",))
    for _ in range(depth):
        value = kind((value, value))
    return value


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"itos": {0: nested(tuple, 60)}}),
        pickle.dumps({"itos": dict(enumerate(VOCABULARY)), "n_head": nested(list, 60)}),
        b"\x80\x04}r\xff\xff\xff\x7f.",  # remembers a value in place 2**31
        pickle.dumps({"itos": {i: chr(0xD800 + i) for i in range(len(VOCABULARY))}}),
        pickle.dumps([1]),
    ],
    ids=["tuples", "lists", "memo", "surrogates", "list"],
)
def test_a_vocabulary_that_would_take_any_time_or_memory_is_refused(tmp_path: Path, content: bytes) -> None:
    save_nanogpt(tmp_path, bias=False)
    (tmp_path / "meta.pkl").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"meta\.pkl is not the vocabulary of a character-level nanoGPT|half a surrogate pair"):
        read_foreign(tmp_path)


def test_arguments_that_would_take_any_time_are_refused(tmp_path: Path) -> None:
    save_nanogpt(tmp_path, bias=False)
    checkpoint = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    checkpoint["model_args"]["n_layer"] = nested(list, 60)
    torch.save(checkpoint, tmp_path / "ckpt.pt")
    with pytest.raises(ParameterError, match=r"n_layer must be a whole number, not \[\["):
        read_foreign(tmp_path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    save_nanogpt(tmp_path, bias=False)
    (tmp_path / "meta.pkl").unlink()
    with pytest.raises(CheckpointError, match="Give a text that has them all, such as its corpus: --vocabulary FILE"):
        read_foreign(tmp_path)
    torch.save({"weight": torch.ones(2)}, tmp_path / "ckpt.pt")
    with pytest.raises(CheckpointError, match="is none of the formats that can be read"):
        read_foreign(tmp_path)
    with pytest.raises(CheckpointError, match="is none of the formats that can be read"):
        read_foreign(tmp_path / "..")
    with pytest.raises(CheckpointError, match="is missing"):
        read_foreign(tmp_path / "nothing.pt")


def test_a_network_that_the_other_project_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(shuffled(Lecture(SHAPE)).state_dict(), tmp_path / "gpt.pt")
    (tmp_path / "corpus.txt").write_text(VOCABULARY)
    main(["import", str(tmp_path / "gpt.pt"), str(tmp_path / "ours"), "--vocabulary", str(tmp_path / "corpus.txt")])
    assert main(["export", str(tmp_path / "ours"), str(tmp_path / "out"), "--format", "nanogpt"]) == 2
    assert "nanoGPT has the exact GELU and a tied head" in capsys.readouterr().err
    theirs = shuffled(Karpathy(SimpleNamespace(**{**vars(SHAPE), "n_embd": 60}), bias=True, gelu="tanh", tied=False))
    torch.save(theirs.state_dict(), tmp_path / "odd.pt")
    with pytest.raises(ParameterError, match="give --heads"):
        read_foreign(tmp_path / "odd.pt")


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
@pytest.mark.parametrize("in_blocks", [False, True])
def test_biases_and_activations_survive_packing(activation: str, in_blocks: bool) -> None:
    config = GPTConfig(block_size=16, vocab_size=11, n_layer=2, n_head=2, n_embd=32, bias=True, tied_head=False, activation=activation)
    network = shuffled(GPT(config))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())  # which is what is packed in 16 bits
    ids = torch.randint(11, (3, 16), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        plain = network(ids)
        torch.testing.assert_close(copy.deepcopy(network).pack(in_blocks)(ids), plain, atol=1e-5, rtol=0)
        torch.testing.assert_close(copy.deepcopy(network).bfloat16().pack(in_blocks)(ids), plain, atol=0.1, rtol=0)
        cached = network(ids, cache=network.make_cache(3))
    torch.testing.assert_close(cached, plain, atol=1e-5, rtol=0)
