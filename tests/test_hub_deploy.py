"""Deploying to a Hub on localhost: what is uploaded, what is refused, and what is said when something goes wrong in the middle."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.__main__ import main
from model.hub import checkout, deploy, space
from model.hub.checkout import NEEDED, UNNEEDED, check_versions, files_to_deploy
from tests.support.fake_hub import FREE_GRADIO, GITATTRIBUTES, FakeHub, Fault, Repo, fake_hub, use_hub
from tests.support.server import ROOT

NAME = "ada/soliloquy"
FRONT_MATTER = "---\ntitle: T\nsdk: gradio\nsdk_version: 6.31.0\npython_version: '3.12'\napp_file: app.py\n---\n"
LARGE = "weights/gpt/model.safetensors"
FILES = {
    "LICENSE": b"MIT",
    "README.md": FRONT_MATTER.encode(),
    "app.py": b"print()",
    "docs/page.png": b"\x89PNG\0",
    "model/program.py": b"",
    "requirements.txt": b"torch>=2.9,<=2.13.0  # the network\ngradio>=6.31,<6.32\n",
    "ui/page.js": b"export {};",
    LARGE: b"\0" * 100_000,
    "weights/gpt/config.json": b"{}",
}
FOR_DEVELOPERS = {"tests/test_a.py": b"", "benchmarks/a.py": b"", "pyproject.toml": b"", "ui/types.d.ts": b"", ".gitignore": b"runs/"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout of the app, with everything committed; it is the one that is deployed."""
    folder = tmp_path / "checkout"
    write(folder, FILES | FOR_DEVELOPERS)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "All")
    for module in (checkout, deploy):
        monkeypatch.setattr(module, "CHECKOUT", folder)
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub with ada's account, whose token is used. Nothing waits for long."""
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    monkeypatch.setattr(space, "POLL_S", 0.01)
    with fake_hub() as server:
        server.add_account("ada")
        use_hub(server, monkeypatch)
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command line; gives its exit status and what it printed."""

    def run(*arguments: str, name: str = NAME) -> tuple[int, str]:
        status = main(["deploy", name, *arguments])
        output = capsys.readouterr()
        return status, output.out + output.err

    return run


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def at(url: str, **settings: object) -> Callable[[Repo], None]:
    """Lets a new Space be an app that runs at this address."""

    def settle(repo: Repo) -> None:
        repo.host = url
        for name, value in settings.items():
            setattr(repo, name, value)

    return settle


def writes(server: FakeHub) -> list[str]:
    """The requests that change something on the Hub."""
    return [asked for asked in server.asked if not asked.startswith(("GET", "HEAD")) and "validate-yaml" not in asked]


def test_a_new_space_gets_the_files_that_the_app_needs_a_password_and_a_first_request(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str
) -> None:
    server.on_create = at(url)
    status, said = run()
    repo = server.space(NAME)
    assert status == 0, said
    assert repo.files == FILES | {".gitattributes": GITATTRIBUTES}
    assert len(repo.commits) == 2  # the Hub's own and one with everything
    assert said.index(repo.secrets["ADMIN_PASSWORD"]) < said.index("Created")
    assert (repo.private, repo.sdk) == (False, "gradio")
    assert "Building ...\nApp starting ...\nRunning ...\n" in said
    assert f"Soliloquy is at {url}\n" in said


def test_an_update_deletes_what_an_earlier_deploy_left_and_keeps_the_rest(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str
) -> None:
    server.on_create = at(url)
    assert run("--private")[0] == 0
    repo, password = server.space(NAME), server.space(NAME).secrets["ADMIN_PASSWORD"]
    assert repo.private
    git(folder, "mv", "ui/page.js", "ui/sheet.js")
    (folder / "app.py").write_bytes(b"print(1)")
    write(folder, {"weights/mine/config.json": b"{}"})
    server.asked.clear()
    status, said = run()
    assert status == 0, said
    assert set(repo.files) == {*FILES, ".gitattributes", "ui/sheet.js"} - {"ui/page.js"}
    assert repo.files["app.py"] == b"print(1)"
    assert "Delete:   ui/page.js, from an earlier deploy" in said
    assert "not committed, but deployed as they are: app.py, ui/page.js, ui/sheet.js" in said
    assert "not deployed, since git does not know them (git add): weights/mine/" in said
    assert repo.secrets == {"ADMIN_PASSWORD": password}
    assert password not in said
    assert not [asked for asked in server.asked if asked.startswith("PUT")]  # the large file is there already


def test_a_password_hardware_and_privacy_can_be_set_at_any_time(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on_create = at(url)
    monkeypatch.setenv("ADMIN_PASSWORD", "to be or not")
    status, said = run("--hardware", "cpu-upgrade")
    repo = server.space(NAME)
    assert status == 0
    assert f"Space:    {NAME} (new, on cpu-upgrade ($0.03 an hour))" in said
    assert "to be or not" not in said
    assert (repo.secrets, repo.hardware, repo.private) == ({"ADMIN_PASSWORD": "to be or not"}, "cpu-upgrade", False)
    monkeypatch.setenv("ADMIN_PASSWORD", "that is the question")
    assert run("--hardware", "zero-a10g", "--private")[0] == 0
    assert (repo.secrets, repo.hardware, repo.private) == ({"ADMIN_PASSWORD": "that is the question"}, "zero-a10g", True)
    repo.secrets.clear()
    monkeypatch.delenv("ADMIN_PASSWORD")
    _, said = run()
    assert repo.secrets["ADMIN_PASSWORD"] in said


def test_a_dry_run_lists_files_and_settings_and_changes_nothing(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, said = run("--dry-run", "--hardware", "zero-a10g", "--private")
    assert status == 0
    assert f"Space:    {NAME} (new, private, on zero-a10g (no charge))" in said
    assert all(f"{len(content):,}  {path}\n" in said for path, content in FILES.items())
    assert not [path for path in FOR_DEVELOPERS if f"  {path}\n" in said]
    assert not writes(server)
    server.asked.clear()
    monkeypatch.delenv("HF_TOKEN")
    status, said = run("--dry-run")
    assert status == 0
    assert "without a token, the Hub was not asked" in said
    assert not server.asked


@pytest.mark.parametrize(
    ("account", "name", "words"),
    [
        ({"role": "read"}, NAME, "Your token may only read."),
        ({"role": "fineGrained"}, NAME, "Your fine-grained token may not write the repositories of ada."),
        ({"role": "fineGrained", "may_write": ("illyria",), "orgs": ("illyria",)}, NAME, "may not write the repositories of ada."),
        ({}, "bo/soliloquy", "Your token is ada's, who does not belong to bo."),
    ],
    ids=["read", "fine-grained", "for another", "not a member"],
)
def test_a_token_of_the_wrong_kind_is_refused_before_anything_is_done(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], account: dict, name: str, words: str
) -> None:
    server.add_account("ada", **account)
    status, said = run(name=name)
    assert status == 2
    assert words in said
    assert not writes(server)


def test_a_fine_grained_token_and_an_organisation_will_do(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str
) -> None:
    server.add_account("ada", role="fineGrained", orgs=("illyria",), may_write=("illyria",))
    server.on_create = at(url)
    assert run(name="illyria/gpt")[0] == 0
    assert server.space("illyria/gpt").files.keys() >= FILES.keys()


def test_without_a_valid_token_it_is_said_where_to_get_one(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    status, said = run()
    assert (status, "does not accept your token" in said, "hf auth login" in said) == (2, True, True)
    monkeypatch.delenv("HF_TOKEN")
    server.asked.clear()
    status, said = run()
    assert (status, "There is no Hugging Face token" in said, server.asked) == (2, True, [])


def test_a_free_account_is_told_what_it_can_have_and_for_how_much(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str
) -> None:
    server.add_account("ada", is_pro=False, can_pay=False)
    server.on_create = at(url)
    status, said = run()
    assert status == 2
    assert FREE_GRADIO.split(". ")[0] in said
    assert "add --hardware zero-a10g" in said
    assert "cpu-upgrade ($0.03 an hour), t4-small ($0.40 an hour)" in said
    assert said.rstrip().endswith("Nothing was created.")
    assert not server.repos
    status, said = run("--hardware", "t4-small")
    assert (status, "add a payment method" in said, server.repos) == (2, True, {})
    for name in ("one", "two"):
        assert run("--hardware", "zero-a10g", name=f"ada/{name}")[0] == 0
    status, said = run("--hardware", "zero-a10g", name="ada/three")
    assert status == 2
    assert "limit of 2 ZeroGPU Spaces" in said
    assert ("space", "ada/three") not in server.repos
    status, said = run("--hardware", "l4x1", name="ada/two")  # also where the Space exists
    assert (status, "add --hardware zero-a10g" in said, server.space("ada/two").hardware) == (2, True, "zero-a10g")


def test_a_name_that_is_taken_is_left_alone(folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]]) -> None:
    files = {"app.py": b"print('mine')", "README.md": b""}
    server.put("space", NAME, files)
    status, said = run()
    assert status == 2
    assert f"/spaces/{NAME} has something else in it (README.md, app.py). Choose another name." in said
    assert server.space(NAME).files == files
    for code in (401, 404):
        server.faults = [Fault(f"GET /api/spaces/{NAME}", status=code)]  # as if the token may not see it
        status, said = run()
        assert status == 2
        assert "You already created this space repo" in said
    assert not [asked for asked in server.asked if "commit" in asked]


@pytest.mark.parametrize(
    ("arguments", "name", "words"),
    [
        ((), "soliloquy", "is not the name of a repository"),
        ((), "ada/../bo", "is not the name of a repository"),
        (("--hardware", "quantum"), NAME, "The Hub has no hardware 'quantum'. It has cpu-basic (no charge), cpu-upgrade ($0.03 an hour)"),
    ],
)
def test_names_and_hardware_that_cannot_be_are_named(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], arguments: tuple[str, ...], name: str, words: str
) -> None:
    status, said = run(*arguments, name=name)
    assert status == 2
    assert words in said
    assert not writes(server)


@pytest.mark.parametrize(
    ("path", "before", "after", "words"),
    [
        ("README.md", b"6.31.0", b"6.30.0", "requirements.txt wants gradio<6.32,>=6.31"),
        ("README.md", b"'3.12'", b"'3.13'", "ZeroGPU has Python 3.10 and 3.12, but README.md wants 3.13"),
        ("README.md", b"app_file: app.py\n", b"", "does not say app_file"),
        ("README.md", b"sdk: gradio", b"sdk: docker", "must have the sdk gradio"),
        ("README.md", b"title: T", b"title: [", "cannot be read"),
        ("README.md", b"title: T", b"title: T\ncolorFrom: oxblood", 'The Hub does not take the front matter of README.md: "colorFrom"'),
        ("requirements.txt", b"torch>=2.9,<=2.13.0", b"torch>=2.12,<3", "ZeroGPU has PyTorch 2.8.0 to 2.11.0"),
    ],
)
def test_front_matter_and_versions_are_checked_first(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], path: str, before: bytes, after: bytes, words: str
) -> None:
    file = folder / path
    assert before in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(before, after))
    status, said = run("--hardware", "zero-a10g")
    assert status == 2
    assert words in said
    assert not writes(server)


def test_a_working_tree_that_cannot_be_deployed_is_named(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as smaller:
        smaller.setattr(checkout, "MAX_SPACE_BYTES", 100_000)
        assert "The files are 0.0 GB together" in run()[1]
    (folder / LARGE).unlink()
    assert f"git knows files that are not there: {LARGE}" in run()[1]
    (folder / LARGE).symlink_to(folder / "app.py")
    assert f"git knows files that are not there: {LARGE}" in run()[1]
    git(folder, "rm", "-qr", "--cached", "docs", LARGE)
    assert "lacks docs, which the app needs" in run()[1]
    (folder / ".git").rename(folder / "git")
    status, said = run()
    assert status == 2
    assert "is not a git checkout" in said
    assert not server.asked


@pytest.mark.parametrize(
    ("stage", "log", "words"),
    [
        ("BUILD_ERROR", "build", "does not run: build error"),
        ("RUNTIME_ERROR", "run", "does not run: runtime error (Memory limit exceeded (16Gi))"),
        ("CONFIG_ERROR", "run", "does not run: config error (Memory limit exceeded (16Gi))"),
    ],
)
def test_a_space_that_does_not_run_shows_its_log(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], stage: str, log: str, words: str
) -> None:
    lines = [f"line {number}\n" for number in range(200)] + ["ERROR: No matching \x1b[31mdistribution\n"]
    error = "" if stage == "BUILD_ERROR" else "Memory limit exceeded (16Gi)"
    server.on_create = at("", stages=["BUILDING", stage], logs={"build": [], "run": []} | {log: lines}, error=error)
    status, said = run()
    assert status == 2
    assert words in said
    assert "All files have arrived" in said
    assert "    line 199\n    ERROR: No matching [31mdistribution\n" in said
    assert "line 100\n" not in said


def test_a_space_that_sleeps_is_woken(folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str) -> None:
    server.on_create = at(url)
    assert run()[0] == 0
    repo = server.space(NAME)
    repo.stages = ["PAUSED"]
    restart, repo.restart = repo.restart, lambda: setattr(repo, "stages", ["APP_STARTING", "RUNNING"]) or restart()  # type: ignore[method-assign]
    repo.stage = "PAUSED"
    repo.commit = lambda files, commit=repo.commit: (commit(files), setattr(repo, "stage", "PAUSED"))[0]  # type: ignore[method-assign]
    (folder / "app.py").write_bytes(b"print(2)")
    status, said = run()
    assert status == 0, said
    assert f"POST /api/spaces/{NAME}/restart" in server.asked
    assert "Paused ...\n" in said


def test_a_network_that_fails_in_the_middle_leaves_a_word_and_the_same_command_goes_on(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str
) -> None:
    server.on_create = at(url)
    for where, code in (("/preupload/", 500), ("PUT /lfs/", 0), (f"/api/spaces/{NAME}/commit", 0)):
        server.faults = [Fault(where, status=code, cut=not code, times=99)]
        status, said = run()
        assert status == 2
        assert f"/spaces/{NAME} is there, but empty. The same command goes on" in said or "still has the files that it had" in said
        assert f"while uploading to {NAME}" in said
        assert server.space(NAME).files.keys() == {".gitattributes"}
    assert "Internal Error" not in said  # but in words
    server.faults, password = [], server.space(NAME).secrets["ADMIN_PASSWORD"]
    server.asked.clear()
    status, said = run()
    assert status == 0, said
    assert server.space(NAME).files.keys() >= FILES.keys()
    assert server.space(NAME).secrets["ADMIN_PASSWORD"] == password
    assert not [asked for asked in server.asked if asked.startswith("PUT")]  # it had arrived before the first commit


def test_a_lost_answer_while_the_space_is_created_is_not_called_a_refusal(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]]
) -> None:
    server.faults = [Fault("/api/repos/create", cut=True, after=1)]
    status, said = run()
    assert status == 2
    assert f"If {server.url}/spaces/{NAME} is there by now, the same command goes on with it." in said
    assert "Nothing was created" not in said


def test_an_interrupt_leaves_a_word_too(folder: Path, server: FakeHub) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("Uploading"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy.deploy(NAME, say=say)
    assert said[-1].startswith(f"The deploy did not finish: {server.url}/spaces/{NAME} is there, but empty.")


def test_short_gaps_in_the_network_do_not_end_the_waiting_and_long_ones_do(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]], url: str
) -> None:
    server.on_create = at(url)
    server.faults = [Fault("/runtime", cut=True, times=2), Fault("/runtime", status=502, times=1)]
    assert run()[0] == 0
    server.faults = [Fault("/runtime", cut=True, times=99)]
    status, said = run()
    assert status == 2
    assert "All files have arrived, and the Space goes on by itself" in said


def test_an_app_that_does_not_answer_or_is_another_is_not_called_deployed(
    folder: Path, server: FakeHub, run: Callable[..., tuple[int, str]]
) -> None:
    server.on_create = at("http://127.0.0.1:9")
    status, said = run()
    assert status == 2
    assert "The Space runs, but the app at http://127.0.0.1:9 does not answer" in said
    assert "Soliloquy is at" not in said


def test_what_is_deployed_of_this_checkout_is_what_the_app_needs() -> None:
    check_versions(ROOT, on_zero_gpu=True)
    files = files_to_deploy(ROOT)
    assert {path.partition("/")[0] for path in files} == set(NEEDED)
    assert not [path for path in files if "test" in path or "__pycache__" in path or path in UNNEEDED]
    assert all(file == ROOT / path for path, file in files.items())
    source = {str(path.relative_to(ROOT)) for name in ("model", "ui") for path in (ROOT / name).rglob("*.py")}
    assert source <= files.keys()
    assert all((ROOT / path).exists() for path in UNNEEDED)
