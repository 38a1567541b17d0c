"""The lecture's ladder: its networks against plain PyTorch, its weights, its recipes, and the lines of code that it shows."""

from __future__ import annotations

import inspect
import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.config import NetworkConfig, TrainConfig
from model.data import Corpus, split
from model.errors import ParameterError
from model.evaluation import mean_loss
from model.ladder import RUNGS, Rung, lines_of
from model.network import Network, without_values
from model.network.gpt import explicit_attention
from model.network.kinds import KINDS, count_parameters, kind_of, make_network
from model.parts import NO_HEADS
from model.serving.decoder import WindowDecoder
from model.training.optim import make_optimizers
from model.training.presets import PRESETS
from model.weights import WEIGHTS_FOLDER, Weights, load_weights
from tests.conftest import ROOT

OURS = RUNGS[:-1]  # without the shipped GPT, which has tests of its own
DEEP = ("no-residual", "residual", "layer-norm", "small-gpt")
of_each_rung = pytest.mark.parametrize("rung", OURS, ids=lambda rung: rung.id)


def network_of(rung: Rung, **settings: object) -> Network:
    """The network of a rung with initial weights."""
    config = PRESETS[rung.preset].changed(settings).network
    assert isinstance(config, NetworkConfig)
    return make_network(config, torch.Generator().manual_seed(5)).eval()


# The networks, against another way to compute the same.


def linear(tensors: dict[str, Tensor], name: str) -> nn.Linear:
    """A linear layer with weights of this name, which may have no bias."""
    weight, bias = tensors[f"{name}.weight"], tensors.get(f"{name}.bias")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=torch.float64)
    layer.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    return layer


def attention(tensors: dict[str, Tensor], names: list[str], projection: str | None, x: Tensor) -> Tensor:
    """Self-attention by PyTorch's own module, made of single heads. Without a projection, what it projects with is the identity."""
    C = x.shape[2]
    module = nn.MultiheadAttention(C, len(names), bias=True, batch_first=True, dtype=torch.float64)
    stacked = [torch.cat([tensors[f"{name}.{part}.weight"] for name in names]) for part in ("query", "key", "value")]
    state = {"in_proj_weight": torch.cat(stacked), "in_proj_bias": torch.zeros(3 * C)}
    state["out_proj.weight"] = tensors[f"{projection}.weight"] if projection else torch.eye(C)
    state["out_proj.bias"] = tensors[f"{projection}.bias"] if projection else torch.zeros(C)
    module.load_state_dict(state)
    T = x.shape[1]
    return module(x, x, x, attn_mask=torch.ones(T, T, dtype=torch.bool).triu(1), need_weights=False)[0]


def reference(tensors: dict[str, Tensor], ids: Tensor) -> Tensor:
    """Logits of a rung with these weights. Their names say what it has."""
    if "position_embedding_table.weight" not in tensors:
        return nn.functional.one_hot(ids, len(tensors["token_embedding_table.weight"])).double() @ tensors["token_embedding_table.weight"]
    x = nn.functional.embedding(ids, tensors["token_embedding_table.weight"]) + tensors["position_embedding_table.weight"][: ids.shape[1]]
    heads_in = lambda prefix: sorted({name.rsplit(".", 2)[0] for name in tensors if name.startswith(prefix)})  # noqa: E731
    if "sa_head.key.weight" in tensors:
        x = attention(tensors, ["sa_head"], None, x)
    elif heads := heads_in("sa_heads.heads."):
        x = attention(tensors, heads, None, x)
        if "ffwd.net.0.weight" in tensors:
            x = torch.relu(linear(tensors, "ffwd.net.0")(x))
    layer = 0
    while heads := heads_in(f"blocks.{layer}.sa.heads."):
        block, layer = f"blocks.{layer}", layer + 1
        projection = f"{block}.sa.proj" if f"{block}.sa.proj.weight" in tensors else None
        attended = attention(tensors, heads, projection, normalised(tensors, f"{block}.ln1", x))
        x = x + attended if projection else attended
        computed = torch.relu(linear(tensors, f"{block}.ffwd.net.0")(normalised(tensors, f"{block}.ln2", x)))
        x = x + linear(tensors, f"{block}.ffwd.net.2")(computed) if projection else computed
    return linear(tensors, "lm_head")(normalised(tensors, "ln_f", x))


def normalised(tensors: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Layer norm by its definition, if the network has one of this name."""
    if f"{name}.weight" not in tensors:
        return x
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


@of_each_rung
@torch.no_grad()
def test_logits_equal_those_of_an_independent_reference(rung: Rung) -> None:
    for network in (load_weights(WEIGHTS_FOLDER / rung.model).model, network_of(rung)):
        network.double()  # logits of 10 are rounded to 1e-6 in float32, and more with every sum before them
        block_size = network.config.block_size
        for T in (1, block_size - 1, block_size):
            ids = torch.randint(network.config.vocab_size, (3, T), generator=torch.Generator().manual_seed(T))
            logits = network(ids)
            torch.testing.assert_close(logits.double(), reference(network.state_dict(), ids), atol=1e-5, rtol=0)
            torch.testing.assert_close(network(ids, last_only=True), logits[:, -1:], atol=1e-6, rtol=0)


@of_each_rung
def test_no_character_sees_a_later_one(rung: Rung) -> None:
    network = load_weights(WEIGHTS_FOLDER / rung.model).model
    ids = torch.randint(65, (1, 8), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[0, 5] = (ids[0, 5] + 1) % 65
    before, after = network(ids), network(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert (before[:, 5] - after[:, 5]).abs().max() > 1e-3
    assert torch.equal(before[:, 7], after[:, 7]) == (network.config.context == 1)


def test_the_rungs_have_the_lectures_numbers_of_parameters() -> None:
    counted = {rung.id: count_parameters(PRESETS[rung.preset].network) for rung in RUNGS}  # type: ignore[arg-type]
    assert counted == {
        "bigram": 65 * 65,
        "one-head": 7_553,
        "four-heads": 7_553,
        "feed-forward": 8_609,
        "no-residual": 16_865,
        "residual": 41_921,
        "layer-norm": 42_369,
        "small-gpt": 209_729,
        "gpt": 10_745_088,
    }


def test_initial_weights_come_from_the_generator_and_have_pytorchs_distribution() -> None:
    rung = next(rung for rung in RUNGS if rung.id == "small-gpt")
    global_state = torch.get_rng_state()
    one, other = network_of(rung).state_dict(), network_of(rung).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    torch.set_rng_state(global_state)
    for name, expected in (("lm_head", nn.Linear(64, 65)), ("blocks.0.ffwd.net.2", nn.Linear(256, 64))):
        for part in ("weight", "bias"):
            ours, theirs = one[f"{name}.{part}"], getattr(expected, part)
            assert ours.abs().max() <= expected.in_features**-0.5
            assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.3)
    assert one["token_embedding_table.weight"].std().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(one["ln_f.weight"], torch.ones(64))


@of_each_rung
def test_no_module_is_made_and_thrown_away(rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[nn.Module] = []
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda module: made.append(module))
    network = network_of(rung)
    assert len(made) == sum(isinstance(module, nn.Linear) for module in network.modules())


def test_dropout_is_drawn_from_the_generator_and_only_in_training() -> None:
    rung = next(rung for rung in RUNGS if rung.id == "small-gpt")
    network, plain = network_of(rung, dropout=0.5), network_of(rung)
    ids = torch.randint(65, (4, 32), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(ids), plain(ids))
    network.train()
    drawn = [network(ids, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    plain.train()
    torch.testing.assert_close(plain(ids, generator=torch.Generator()), plain.eval()(ids))


@of_each_rung
def test_what_a_rung_cannot_do_is_refused(rung: Rung) -> None:
    network = network_of(rung)
    with pytest.raises(ParameterError, match=NO_HEADS[:20]):
        network(torch.zeros(1, 2, dtype=torch.long), off=[(0, 0)])
    too_many = network.config.block_size + 1
    with pytest.raises(ValueError, match=f"{too_many} characters do not fit in a block of {too_many - 1}"):
        network(torch.zeros(1, too_many, dtype=torch.long))


@pytest.mark.parametrize("rung", [rung for rung in OURS if rung.id in DEEP[1:]], ids=lambda rung: rung.id)
def test_a_text_does_not_depend_on_its_neighbours(rung: Rung) -> None:
    weights = load_weights(WEIGHTS_FOLDER / rung.model)
    decoder = WindowDecoder(weights.model, 32)
    generator = torch.Generator().manual_seed(0)
    windows = [torch.randint(65, (n,), generator=generator).tolist() for n in (weights.model.config.block_size, 5) for _ in range(13)]
    together = decoder.step(range(len(windows)), windows)
    for row, window in enumerate(windows):
        assert (decoder.read([[0]], [window])[0] == together[row]).all(), row


@pytest.mark.parametrize("settings", [{"n_embd": 30}, {"n_head": 5}, {"n_head": 0}, {"n_layer": 65}, {"block_size": 7}, {"n_embd": "wide"}])
def test_shapes_are_checked(settings: dict[str, object]) -> None:
    preset = PRESETS["ladder-layer-norm"]
    with pytest.raises(ParameterError, match=next(iter(settings))):
        preset.changed(settings)


# The recipes.


@of_each_rung
def test_every_parameter_is_trained_alike(rung: Rung) -> None:
    network, recipe = network_of(rung), PRESETS[rung.preset].recipe
    (optimizer,) = make_optimizers(network, recipe)
    assert isinstance(optimizer, torch.optim.AdamW)
    groups = [group for group in optimizer.param_groups if group["params"]]
    assert [(len(group["params"]), group["lr"], group["weight_decay"], group["betas"]) for group in groups] == [
        (len([*network.parameters()]), recipe.learning_rate, 0.01, (0.9, 0.999))
    ]


@pytest.mark.parametrize("rung", [rung for rung in OURS if rung.id in DEEP], ids=lambda rung: rung.id)
def test_the_estimate_of_memory_is_from_above(rung: Rung) -> None:
    network = network_of(rung, **({"dropout": 0.2} if rung.id == "small-gpt" else {})).train()
    config, kept = network.config, {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    ids = torch.zeros(16, config.block_size, dtype=torch.long)
    parameters = {parameter.data_ptr() for parameter in network.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = nn.functional.cross_entropy(network(ids).flatten(0, 1), ids.flatten())
    loss.backward()
    floats = sum(numel for pointer, numel in kept.items() if pointer not in parameters)
    estimate = KINDS[kind_of(config)].network.floats_per_char(config) * ids.numel()
    assert estimate / 4 < floats < estimate


# What ships.


@pytest.fixture(scope="module")
def losses(corpus_path: Path) -> dict[str, float]:
    """Validation losses of the shipped weights, measured."""
    corpus = Corpus("tinyshakespeare", corpus_path.read_text(encoding="utf-8"))

    def measure(weights: Weights) -> float:
        _, ids = split(torch.tensor(weights.tokenizer.encode(corpus.text)), weights.model.config.block_size)
        return mean_loss(weights.model, ids)

    return {rung.id: measure(load_weights(WEIGHTS_FOLDER / rung.model)) for rung in OURS}


@of_each_rung
def test_the_weights_that_ship_are_those_of_the_preset(rung: Rung) -> None:
    weights, preset = load_weights(WEIGHTS_FOLDER / rung.model), PRESETS[rung.preset]
    assert weights.model.config == preset.network
    assert TrainConfig(**weights.about["recipe"]) == preset.recipe


def test_the_ladder_is_small() -> None:
    files = [path for path in (WEIGHTS_FOLDER / "ladder").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert max(path.stat().st_size for path in files) < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("rung", OURS, ids=lambda rung: rung.id)
def test_losses_of_what_ships_are_reproduced(rung: Rung, losses: dict[str, float]) -> None:
    recorded = load_weights(WEIGHTS_FOLDER / rung.model).val_loss
    assert losses[rung.id] == pytest.approx(recorded, abs=2e-4)
    if rung.lecture_loss is not None:
        assert abs(losses[rung.id] - rung.lecture_loss) < 0.03


def test_deeper_without_residual_is_not_better_than_one_block() -> None:
    loss = {rung.id: load_weights(WEIGHTS_FOLDER / rung.model).val_loss or math.nan for rung in OURS}
    assert loss["no-residual"] > loss["feed-forward"]
    others = [loss[rung.id] for rung in OURS if rung.id != "no-residual"]
    assert others == sorted(others, reverse=True)


# The lines.


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.id)
def test_the_lines_are_those_of_the_file_and_the_new_ones_are_new(rung: Rung) -> None:
    lines, source = lines_of(rung), (ROOT / rung.file).read_text(encoding="utf-8").splitlines()
    assert [line.text for line in lines] == [source[line.number - 1] for line in lines]
    assert [line.number for line in lines] == sorted({line.number for line in lines})
    before = {line.text.strip() for other in RUNGS[: RUNGS.index(rung)] for line in lines_of(other)}
    for line in lines:
        assert line.is_new == (line.text.strip() not in before | {""})
    assert any(line.is_new for line in lines)


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.id)
def test_each_class_that_runs_is_shown_by_the_first_rung_that_has_it(rung: Rung) -> None:
    def classes(of: Rung) -> set[type]:
        config = PRESETS[of.preset].network
        assert isinstance(config, NetworkConfig)
        with without_values():
            network = make_network(config)
        used = {kind for module in network.modules() for kind in type(module).__mro__}
        return {kind for kind in used if kind.__module__ == rung.adds[0].__module__}

    earlier = RUNGS[: RUNGS.index(rung)]
    added = classes(rung) - set().union(*(classes(other) for other in earlier))
    shown = {item.__qualname__.partition(".")[0] for item in rung.adds if inspect.isclass(item) or "." in item.__qualname__}
    assert shown == {kind.__qualname__ for kind in added}


def test_the_attention_that_is_shown_is_that_of_the_fused_kernel() -> None:
    q, k, v = torch.randn(3, 2, 6, 9, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fused = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(explicit_attention(q, k, v, None)[0], fused)


def test_what_a_rung_is_known_for_is_marked() -> None:
    marked = {rung.id: {line.text.strip() for line in lines_of(rung) if line.is_new} for rung in RUNGS}
    assert "x = x + self.sa(x)" in marked["residual"]
    assert "x = x + self.sa(self.ln1(x))" in marked["layer-norm"]
    assert "x = self.sa(x)" in marked["no-residual"]
    assert "return torch.cat([h(x) for h in self.heads], dim=-1)  # (B, T, C)" in marked["four-heads"]
    assert "def build(self) -> None:" not in marked["residual"]
    assert all(asdict(PRESETS[rung.preset].network)["vocab_size"] == 65 for rung in RUNGS)
