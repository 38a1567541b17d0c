"""Shared fixtures: a small random network, the shipped one, the app, and the corpus if there is one."""

from __future__ import annotations

import os
import shutil
import string
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from model import machine
from model.config import GPTConfig
from model.network.gpt import GPT
from model.serving import engine, writer
from model.tokenizer import CharTokenizer
from model.training.samples import write_sample
from model.training.tasks import pretrain
from model.weights import Weights, load_weights
from tests.support.fake_hub import FakeHub, fake_hub, use_hub
from tests.support.rights import bound_by_rights
from tests.support.viewing import app_with_log

ROOT = Path(__file__).parent.parent
VOCABULARY = "\n !$&',-.3:;?" + string.ascii_uppercase + string.ascii_lowercase  # Tiny Shakespeare's
TINY = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 16, "vocab_size": len(VOCABULARY)}

# No deadline: a busy machine is not a failure. The same examples in every run: a failure can be reproduced.
settings.register_profile("soliloquy", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("soliloquy")


# Files by the time that they take in the fast or in the slow tests, the longest first; all others are shorter.
LONGEST = (
    *("benchmarks", "jobs", "web_train", "odd_machines", "processes", "embedding", "damaged_runs", "hub_job", "tasks", "trainer"),
    # In a browser:
    *("accessibility", "learning_ladder", "train", "assistant_before", "sample_tab", "next", "space", "train_stages", "lecture"),
    *("models", "keys", "address", "class", "inspector", "attention"),
)
# Files that share an app which others do not need: one worker starts it once.
TOGETHER = {
    "test_class_panel.py": "test_accessibility.py",
    "test_learning_ladder.py": "test_accessibility.py",
    "test_score.py": "test_next.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the browser tests last: Playwright keeps an event loop running in its thread, where no other test can start one then. Of the
    others and of them the longest files come first, so that two workers end at about the same time."""
    rank = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ("browser" in item.path.parts, rank.get(item.path.name, len(rank))))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives each worker whole files, as `--dist loadfile` does, and those that share an app to the same one."""
    from xdist.scheduler import LoadFileScheduling

    class LoadAppScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, slash, name = super()._split_scope(nodeid).rpartition("/")
            return folder + slash + TOGETHER.get(name, name)

    return LoadAppScheduling(config, log)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch on one thread, the engine's too: for networks this small, a second thread only helps on an idle machine."""
    for module in (machine, engine, writer):
        monkeypatch.setattr(module, "MAX_THREADS", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_model() -> Callable[..., GPT]:
    """Makes small random networks: `make_model(seed=1, n_layer=3)`.

    The weights are large and the norms differ from 1, so that every part affects the logits: with GPT-2's small initial weights,
    attention is almost uniform, and an error in it would disappear in the tolerance.
    """

    def make(seed: int = 0, **settings: float) -> GPT:
        generator = torch.Generator().manual_seed(seed)
        model = GPT(GPTConfig(**TINY | settings), generator).eval().requires_grad_(False)
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0.0, 0.25, generator=generator)
            else:
                parameter.uniform_(0.5, 1.5, generator=generator)
        return model

    return make


@pytest.fixture
def tiny(make_model: Callable[..., GPT]) -> Weights:
    """A small random network with Tiny Shakespeare's vocabulary."""
    return Weights(name="tiny", model=make_model(), tokenizer=CharTokenizer(VOCABULARY), about={}, sha256="")


@pytest.fixture(scope="module")
def short_samples() -> Iterator[None]:
    """Trainings in this process write 20 characters at each evaluation: the usual 300 take more than half of the time of a small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain, "write_sample", partial(write_sample, most=20))
        yield


@pytest.fixture
def make_ids() -> Callable[..., Tensor]:
    """Makes random texts as ids, (rows, chars): `make_ids(rows, chars, seed=1)`."""

    def make(rows: int, chars: int, seed: int = 0) -> Tensor:
        return torch.randint(len(VOCABULARY), (rows, chars), generator=torch.Generator().manual_seed(seed))

    return make


@pytest.fixture(scope="session")
def shipped() -> Weights:
    """The shipped model. All tests share it: do not change it."""
    return load_weights(ROOT / "weights" / "shakespeare")


@pytest.fixture(scope="session")
def app_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's stderr."""
    return tmp_path_factory.mktemp("app") / "stderr"


@pytest.fixture(scope="session")
def app_url(app_log: Path) -> Iterator[str]:
    """One app for all modules that need no options, over HTTP or in a browser, in the precision that it chose for this machine."""
    with app_with_log(app_log) as url:
        yield url


@pytest.fixture(scope="module")
def url(app_url: str, app_log: Path) -> Iterator[str]:
    """The app. No exception may escape in it."""
    logged = app_log.stat().st_size
    yield app_url
    assert b"Traceback" not in app_log.read_bytes()[logged:]


@pytest.fixture(scope="session")
def corpus_path() -> Path:
    """Tiny Shakespeare on this machine."""
    given = os.environ.get("SOLILOQUY_CORPUS")
    if not given or not Path(given).is_file():
        pytest.skip("needs Tiny Shakespeare: set SOLILOQUY_CORPUS to its path")
    return Path(given)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    with mounted_disk(tmp_path / "disk", "64k") as folder:
        yield folder


@pytest.fixture
def disk_for_a_run(tmp_path: Path) -> Iterator[Path]:
    """A real file system with room for a small run."""
    with mounted_disk(tmp_path / "disk", "8m") as folder:
        yield folder


@contextmanager
def mounted_disk(folder: Path, size: str) -> Iterator[Path]:
    """A real file system of the given size; skips if none can be mounted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # a process that wrote there may still be exiting


@pytest.fixture
def with_rights(tmp_path: Path) -> Iterator[None]:
    """Rights bind whoever runs the test. Afterwards all folders can be entered again."""
    with bound_by_rights():
        yield
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)


@pytest.fixture
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache in an empty folder, no corpus given, and no proxy between the test and its server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOLILOQUY_CORPUS", raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    return tmp_path / "cache" / "soliloquy"


@pytest.fixture(scope="module")
def served() -> Iterator[FakeHub]:
    """A Hub on localhost."""
    with fake_hub() as hub:
        yield hub


@pytest.fixture
def hub(served: FakeHub, monkeypatch: pytest.MonkeyPatch, cache_home: Path) -> FakeHub:
    """A Hub without repositories and with one account, and an empty cache."""
    for kept in (served.repos, served.faults, served.asked, served.accounts, served.large):
        kept.clear()
    served.add_account("ada")
    use_hub(served, monkeypatch)
    return served
