"""Corpora: fetching, checking, splitting; batches that depend on a seed and a step alone."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from model import data
from model.data import TINY_SHAKESPEARE_ALPHABET, TINY_SHAKESPEARE_SHA256, Batches, Corpus, load_corpus, split
from model.errors import CorpusError
from model.tokenizer import CharTokenizer, normal_form
from tests.conftest import VOCABULARY

NOBODY_LISTENS = "http://127.0.0.1:9/"


@pytest.fixture
def serve() -> Iterator[Callable[[bytes], str]]:
    """Starts a web server for a body, gives its address, and stops it when the test ends or another body is served."""
    running: list[ThreadingHTTPServer] = []

    def stop() -> None:
        while running:
            server = running.pop()
            server.shutdown()
            server.server_close()

    def start(body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        stop()
        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}/input.txt"

    yield start
    stop()


@pytest.fixture
def answer_once() -> Iterator[Callable[[bytes], str]]:
    """Answers one connection with raw bytes, for what no proper web server would say."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(raw: bytes) -> str:
        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(raw)

        threads.append(threading.Thread(target=answer, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/input.txt"

    yield start
    for thread in threads:
        thread.join(10)
    listener.close()


def write(path: Path, content: bytes) -> Path:
    """A file with a content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_alphabet_of_tiny_shakespeare_is_known(corpus_path: Path) -> None:
    assert load_corpus(corpus_path).alphabet == [*TINY_SHAKESPEARE_ALPHABET]


def test_a_text_file_is_a_corpus_named_after_it(tmp_path: Path) -> None:
    corpus = load_corpus(write(tmp_path / "poems.txt", b"\xef\xbb\xbfone\r\ntw\xc3\xb6\n"))
    assert corpus == Corpus("poems", "one\ntwö\n")
    assert corpus.sha256 == hashlib.sha256("one\ntwö\n".encode()).hexdigest()


DECOMPOSED = "The gru\u0308\u00dfe cafe\u0301 nai\u0308ve fac\u0327ade\n"


@pytest.mark.parametrize(
    ("text", "typed", "learned"),
    [
        (DECOMPOSED, "gr\u00fc\u00dfe caf\u00e9 na\u00efve fa\u00e7ade", "gr\u00fc\u00dfe caf\u00e9 na\u00efve fa\u00e7ade"),
        ("alpha beta\rdelta epsilon\r\rzeta eta\r", "alpha\r\nbeta", "alpha\nbeta"),
        ("one\u2028two\u2029three\u0085four\vfive\fsix\n", "one\ntwo", "one\ntwo"),
        ("\ufeffone\r\n\ufefftwo\r\n", "\ufeffone\ntwo", "one\ntwo"),
    ],
)
def test_what_a_corpus_teaches_can_be_typed(tmp_path: Path, text: str, typed: str, learned: str) -> None:
    corpus = load_corpus(write(tmp_path / "text.txt", text.encode()))
    assert CharTokenizer.from_text(corpus.text).normalise(typed) == (learned, [])
    kept = write(tmp_path / "corpus.txt", corpus.text.encode())  # as a run keeps it
    assert load_corpus(kept).sha256 == corpus.sha256


def test_a_text_that_was_learned_before_there_was_a_normal_form_is_known_by_its_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "text.txt", f"\ufeff{DECOMPOSED}\rnew\r\n".encode())
    before = f"{DECOMPOSED}\rnew\n"
    assert load_corpus(path, hashlib.sha256(before.encode()).hexdigest()).text == before
    assert load_corpus(path, "0" * 64) == load_corpus(path) != Corpus("text", before)


@pytest.mark.slow
def test_a_text_whose_normal_form_is_too_large_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "large.txt", "\u0958".encode() * (data.MAX_CORPUS_BYTES // 3))  # the letter becomes two of three bytes
    with pytest.raises(CorpusError, match="larger than 32 MiB"):
        load_corpus(path)


def test_a_file_without_an_end_is_too_large() -> None:
    if not Path("/dev/zero").is_char_device():
        pytest.skip("this system has no /dev/zero")
    with pytest.raises(CorpusError, match="larger than 32 MiB"):
        load_corpus("/dev/zero")


def test_shakespeare_is_in_the_normal_form_already(corpus_path: Path) -> None:
    """So the hash that it is checked against, and the models that were trained on it, are what they were."""
    text = corpus_path.read_text(encoding="utf-8")
    assert normal_form(text) == text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere\.txt cannot be read: No such file"):
        load_corpus(tmp_path / "nowhere.txt")


def test_a_folder_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read: Is a directory"):
        load_corpus(tmp_path)


def test_text_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"latin\.txt is not UTF-8 text \(byte 3\)"):
        load_corpus(write(tmp_path / "latin.txt", "caf\u00e9 noir".encode("latin-1")))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2], ids=["nothing", "byte order mark", "two marks"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CorpusError, match=r"void\.txt is empty"):
        load_corpus(write(tmp_path / "void.txt", content))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path / "large.txt", b"")
    with path.open("r+b") as file:
        file.truncate(data.MAX_CORPUS_BYTES + 1)  # a hole: takes no space
    with pytest.raises(CorpusError, match="larger than 32 MiB"):
        load_corpus(path)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"To be\0or not", "has NUL bytes"),
        (b"\x89PNG\r\n\x1a\n", "is not UTF-8"),
        (b"a" * 5_000, "one character repeated"),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 5_000))).encode(), "5,000 different characters; the maximum is 4,096"),
    ],
)
def test_what_is_no_text_to_learn_from_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_corpus(write(tmp_path / "odd.txt", raw))


def test_another_text_in_shakespeares_place_is_refused(tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(cache_home / "tinyshakespeare.txt", b"Friends, Romans")
    with pytest.raises(CorpusError, match=r"tinyshakespeare\.txt is not Tiny Shakespeare: its sha256 is .* Delete the file"):
        load_corpus()
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(write(tmp_path / "given.txt", b"countrymen")))
    with pytest.raises(CorpusError, match=r"given\.txt is not Tiny Shakespeare.* Point SOLILOQUY_CORPUS at the right file"):
        load_corpus()


def test_a_given_corpus_that_is_missing_is_not_fetched_instead(cache_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(tmp_path / "gone.txt"))
    with pytest.raises(CorpusError, match=r"gone\.txt cannot be read"):
        load_corpus()
    assert not cache_home.exists()


def test_without_a_network_the_message_says_where_to_put_the_file(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_URL", NOBODY_LISTENS)
    with pytest.raises(CorpusError) as caught:
        load_corpus()
    message = str(caught.value)
    assert "Connection refused" in message
    assert f"Download {NOBODY_LISTENS}" in message
    assert f"save it as {cache_home / 'tinyshakespeare.txt'}" in message
    assert "SOLILOQUY_CORPUS" in message


def test_a_wrong_text_from_the_network_is_refused(cache_home: Path, serve: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<html>Please log in to this network.</html>"
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_URL", serve(body))
    found = hashlib.sha256(body).hexdigest()[:12]
    with pytest.raises(
        CorpusError, match=rf"The downloaded file is not Tiny Shakespeare: its sha256 is {found}.*instead of 86c4e6aa9db7"
    ) as caught:
        load_corpus()
    assert f"save it as {cache_home / 'tinyshakespeare.txt'}" in str(caught.value)
    assert not list(cache_home.glob("*"))  # or it would stand in the way of the right one


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nFir",
        b"",
    ],
    ids=["not found", "not HTTP", "cut off in a chunk", "hung up"],
)
def test_a_broken_answer_from_the_network_ends_in_the_same_message(
    raw: bytes, cache_home: Path, answer_once: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_URL", answer_once(raw))
    with pytest.raises(CorpusError, match=r"(?s)could not be downloaded.* save it as "):
        load_corpus()
    assert not list(cache_home.glob("*"))


def test_shakespeare_is_fetched_once_and_kept(
    corpus_path: Path, cache_home: Path, serve: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = corpus_path.read_bytes()
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_URL", serve(raw))
    first = load_corpus()
    assert first.name == "tinyshakespeare"
    assert first.text == raw.decode()
    assert first.sha256 == TINY_SHAKESPEARE_SHA256
    assert [path.name for path in cache_home.iterdir()] == ["tinyshakespeare.txt"]
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_URL", NOBODY_LISTENS)
    assert load_corpus() == first


def test_a_cache_that_cannot_be_written_is_named_and_done_without(
    corpus_path: Path,
    cache_home: Path,
    serve: Callable[[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(data, "TINY_SHAKESPEARE_URL", serve(corpus_path.read_bytes()))
    cache_home.parent.write_text("a file where the folder should be")
    assert load_corpus().sha256 == TINY_SHAKESPEARE_SHA256
    assert "tinyshakespeare.txt could not be written" in caplog.text


def test_shakespeare_has_the_lectures_sizes(corpus_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLILOQUY_CORPUS", str(corpus_path))
    corpus = load_corpus()
    tokenizer = CharTokenizer.from_text(corpus.text)
    assert len(corpus.text) == 1_115_394
    assert "".join(tokenizer.vocabulary) == VOCABULARY
    train, validation = split(torch.tensor(tokenizer.encode(corpus.text)), 256)
    assert len(train) == 1_003_854
    assert len(validation) - 1 == 111_540  # targets: the first character is context


def test_the_split_is_nine_tenths_and_a_tenth_with_one_character_of_context() -> None:
    train, validation = split(torch.arange(1_000), 16)
    assert_close(train, torch.arange(900))
    assert_close(validation, torch.arange(899, 1_000))


@pytest.mark.parametrize("block_size", [2, 16, 256])
def test_a_text_that_is_too_short_is_refused_with_the_length_it_needs(block_size: int) -> None:
    with pytest.raises(CorpusError, match=f"has {block_size} characters; a context of {block_size} needs at least [0-9]+") as caught:
        split(torch.arange(block_size), block_size)
    need = int(str(caught.value).rstrip(".").split()[-1].replace(",", ""))
    train, validation = split(torch.arange(need), block_size)
    assert len(validation) > 1
    assert Batches(train, 3, block_size, 0)(0)[0].shape == (3, block_size)


def test_a_text_that_is_not_refused_gives_batches() -> None:
    accepted = 0
    for chars in range(60):
        try:
            train, validation = split(torch.arange(chars), 16)
        except CorpusError:
            continue
        accepted += 1
        assert len(validation) > 1
        assert Batches(train, 3, 16, 0)(0)[0].shape == (3, 16)
    assert accepted > 10


def test_a_batch_is_a_function_of_seed_and_step_alone() -> None:
    def make(seed: int) -> Batches:
        return Batches(torch.arange(1_000), 5, 8, seed, input_noise=0.2)

    forwards = [make(3)(step) for step in range(60)]
    batches = make(3)
    for step in reversed(range(60)):
        for again, first in zip(batches(step), forwards[step], strict=True):
            assert_close(again, first, rtol=0, atol=0)
    assert not torch.equal(make(4)(0)[1], forwards[0][1])
    assert not torch.equal(forwards[0][1], forwards[1][1])


@pytest.mark.parametrize("batch_size", [1, 7, 50])  # of 30 windows: within an epoch, across two, across three
def test_every_window_is_seen_once_an_epoch(batch_size: int) -> None:
    block_size, windows = 8, 30
    batches = Batches(torch.arange(8 * 31 + 1 + 5), batch_size, block_size, seed=1)
    steps = -(-4 * windows // batch_size)
    starts = torch.cat([batches(step)[0][:, 0] for step in range(steps)])
    phases, orders = set(), set()
    for epoch in starts[: 4 * windows].split(windows):
        inside = epoch.sort().values
        phase = int(inside[0])
        assert 0 <= phase < block_size
        assert_close(inside, phase + block_size * torch.arange(windows))
        phases.add(phase)
        orders.add(tuple((epoch - phase).tolist()))
    assert len(phases) > 1
    assert len(orders) == 4


def test_all_but_less_than_a_block_at_the_end_is_a_target_of_some_epoch() -> None:
    n, block_size = 8 * 31 + 1, 8
    batches = Batches(torch.arange(n), 30, block_size, seed=1)
    seen = torch.cat([batches(epoch)[1].flatten() for epoch in range(100)]).unique()
    assert_close(seen, torch.arange(1, len(seen) + 1))
    assert n - block_size < len(seen) + 1 <= n


def test_targets_are_the_inputs_shifted_by_one(make_ids: Callable[..., Tensor]) -> None:
    inputs, targets = Batches(torch.arange(500), 6, 16, seed=0)(3)
    assert_close(inputs, inputs[:, :1] + torch.arange(16))
    assert_close(targets, inputs + 1)
    ids = make_ids(1, 500)[0]
    x, y = Batches(ids, 6, 16, seed=0)(3)
    assert_close(x, ids[inputs])
    assert_close(y, ids[targets])


def test_validation_text_is_never_in_a_training_batch() -> None:
    train, validation = split(torch.arange(600), 16)
    batches = Batches(train, 8, 16, seed=2, input_noise=0.3)
    seen = torch.cat([part.flatten() for step in range(100) for part in batches(step)]).unique()
    assert int(seen.max()) < int(validation[1:].min())


def test_noise_changes_inputs_at_the_asked_rate_and_never_targets() -> None:
    n, share = 100_000, 0.1
    clean, noisy = (Batches(torch.arange(n), 64, 64, seed=5, input_noise=noise) for noise in (0.0, share))
    changed, replaced, masks = [], [], []
    for step in range(20):
        (x, y), (noisy_x, noisy_y) = clean(step), noisy(step)
        assert_close(noisy_y, y, rtol=0, atol=0)
        changed.append((noisy_x != x).double().mean())
        masks.append(noisy_x != x)
        replaced.append(noisy_x[noisy_x != x].double().mean())
    # 81,920 characters: one standard deviation of the share is 0.001, of the mean place 0.003 of the text.
    assert_close(torch.stack(changed).mean().item(), share, rtol=0, atol=0.005)
    other_seed = Batches(torch.arange(n), 64, 64, seed=6, input_noise=share)(0)
    assert not torch.equal(masks[1], masks[0])
    assert not torch.equal(other_seed[0] != other_seed[1] - 1, masks[0])
    assert_close(torch.stack(replaced).mean().item() / n, 0.5, rtol=0, atol=0.02)
