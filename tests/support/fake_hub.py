"""A Hugging Face Hub on localhost: real HTTP, with the checks of the real one, as huggingface_hub asks for them.

    with fake_hub() as hub:
        hub.add_account("ada", token="hf_write")
        monkeypatch.setenv("HF_ENDPOINT", hub.url); monkeypatch.setenv("HF_TOKEN", "hf_write")
        hub.put("model", "ada/tiny", {"config.json": b"{}"})
        hub.faults.append(Fault("/commit/", cut=True))

It checks tokens and their rights, names, plans (402), who may write where (403), what exists already (409), the front matter of a README,
and that large or binary files come through LFS; it keeps commits, secrets, hardware and the stages of a Space. It does not have Xet, the
Hub's own transfer of large files: `use_hub` lets the client use LFS instead.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants
from huggingface_hub.utils import _http

LARGE_BYTES = 10 * 10**6  # larger files are taken through LFS or Xet only
LARGE_KINDS = (".safetensors", ".bin", ".pt", ".pkl", ".gz", ".zip", ".npz")  # as the .gitattributes of a new repository has them
SPACE_BYTES = 10**9
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
GITATTRIBUTES = "".join(f"*{kind} filter=lfs diff=lfs merge=lfs -text\n" for kind in LARGE_KINDS).encode()
HARDWARE = {"cpu-basic": 0.0, "cpu-upgrade": 0.03, "zero-a10g": 0.0, "t4-small": 0.4, "l4x1": 0.8}  # dollars an hour
FREE_GRADIO = (
    "Static Spaces are free for everyone, but hosting Gradio and Docker Spaces on free cpu-basic requires a PRO subscription. "
    "Subscribe at https://huggingface.co/pro"
)


@dataclass
class Account:
    """Whose token it is, and what it may.

    Attributes:
        role: of the token: "read", "write" or "fineGrained".
        may_write: namespaces whose repositories a fine-grained token may write; other tokens ask `orgs`.
    """

    name: str
    role: str = "write"
    is_pro: bool = True
    can_pay: bool = True
    orgs: tuple[str, ...] = ()
    may_write: tuple[str, ...] = ()

    def can_write(self, namespace: str) -> bool:
        """Whether repositories of a namespace may be written with the token."""
        if self.role == "fineGrained":
            return namespace in self.may_write
        return self.role == "write" and namespace in (self.name, *self.orgs)


@dataclass
class Fault:
    """What goes wrong with a request whose method and path contain `where`.

    Attributes:
        status: to answer; or
        cut: the connection is closed instead, before anything is done.
        after: ... once this many bytes of the answer were sent.
        times: how often; then it works again.
    """

    where: str
    status: int = 0
    cut: bool = False
    after: int = 0
    times: int = 1
    message: str = "Internal Error - We're working hard to fix this as soon as possible!"


@dataclass
class Repo:
    """A repository: its commits, the newest last, and a Space's settings.

    Attributes:
        stages: that the runtime of a Space goes through after a commit or a restart, one per request; it stays in the last.
        host: the address of the app.
        claims: sizes that the Hub says some files have, whatever they have.
    """

    kind: str
    id: str
    private: bool = False
    sdk: str = ""
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"
    stages: list[str] = field(default_factory=lambda: ["BUILDING", "APP_STARTING", "RUNNING"])
    stage: str = "NO_APP_FILE"
    at: int = 0  # in `stages`
    error: str = ""
    logs: dict[str, list[str]] = field(default_factory=lambda: {"build": [], "run": []})
    host: str = ""
    claims: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the newest commit, by path."""
        return self.commits[-1][1]

    @property
    def sha(self) -> str:
        """The newest commit."""
        return self.commits[-1][0]

    def commit(self, files: dict[str, bytes]) -> str:
        """Adds a commit with these files, and lets a Space begin again."""
        about = [str(len(self.commits)), self.id, *(f"{path}{hashlib.sha1(content).hexdigest()}" for path, content in files.items())]
        sha = hashlib.sha1("".join(about).encode()).hexdigest()
        self.commits.append((sha, files))
        if len(self.commits) > 1:
            self.restart()
        return sha

    def restart(self) -> None:
        """The Space goes through its stages again."""
        self.at, self.stage = 0, self.stages[0]

    def runtime(self) -> dict[str, Any]:
        """What /runtime answers; each time the Space is one stage further."""
        stage = self.stage
        self.at = min(self.at + 1, len(self.stages) - 1)
        self.stage = self.stages[self.at] if stage in self.stages else stage
        hardware = {"current": self.hardware, "requested": self.hardware}
        return {"stage": stage, "hardware": hardware, "gcTimeout": 172_800, "errorMessage": self.error, "sha": self.sha}


@dataclass
class Job:
    """A job, which really runs: a process of this machine, whose folders are under `FakeHub.jobs_folder`."""

    id: str
    owner: str
    spec: dict[str, Any]
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    stage: str = "RUNNING"
    message: str = ""

    def watch(self, limit_s: float) -> None:
        """Keeps what it prints, and its end."""
        timer = threading.Timer(min(limit_s, 3600), self.end, ("ERROR", "Job timeout"))
        timer.daemon = True
        timer.start()
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
        status = self.process.wait()
        timer.cancel()
        if self.stage == "RUNNING":
            self.stage, self.message = ("COMPLETED", "") if status == 0 else ("ERROR", f"Exit code {status}")

    def end(self, stage: str, message: str = "") -> None:
        """Ends it, as the Hub does."""
        if self.stage == "RUNNING":
            self.stage, self.message = stage, message
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def about(self) -> dict[str, Any]:
        """What the Hub says of it."""
        owner = {"id": "1", "name": self.owner, "type": "user"}
        status = {"stage": self.stage, "message": self.message or None}
        return {"id": self.id, "owner": owner, "status": status, "flavor": self.spec["flavor"], "labels": self.spec.get("labels")}


class FakeHub:
    """What is on the Hub, and what goes wrong with it."""

    def __init__(self) -> None:
        self.url = ""
        self.accounts: dict[str, Account] = {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.large: dict[str, bytes] = {}  # by sha256
        self.faults: list[Fault] = []
        self.is_gone = False  # connections are closed without an answer
        self.asked: list[str] = []  # method and path of each request, in order
        self.jobs: dict[str, Job] = {}
        self.jobs_folder = Path()  # where jobs run
        self.on_create: Callable[[Repo], None] = lambda repo: None

    def add_account(self, name: str, token: str = "hf_write", **settings: Any) -> Account:
        """Adds an account and a token of it."""
        self.accounts[token] = Account(name, **settings)
        return self.accounts[token]

    def put(self, kind: str, name: str, files: dict[str, bytes], **settings: Any) -> Repo:
        """Adds a repository, or a commit with exactly these files to it. Nothing is checked: a path may be what no client sends."""
        repo = self.repos.get((kind, name)) or self.repos.setdefault((kind, name), Repo(kind, name, **settings))
        repo.commit(dict(files))
        return repo

    def space(self, name: str) -> Repo:
        """A Space."""
        return self.repos["space", name]

    def model(self, name: str) -> Repo:
        """A model."""
        return self.repos["model", name]


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Yields an empty Hub that answers at `hub.url`."""
    hub = FakeHub()
    methods = dict.fromkeys(("do_GET", "do_HEAD", "do_POST", "do_PUT", "do_DELETE"), _Handler._handle)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub, **methods}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.is_gone = True  # also for connections that are kept
        server.shutdown()
        server.server_close()
        thread.join()


def use_hub(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str = "hf_write") -> None:
    """Lets this process and those that it starts use the Hub, without Xet, and with no other token. This process does not wait before it
    tries again."""
    for name, value in (("HF_ENDPOINT", hub.url), ("HF_TOKEN", token), ("HF_HUB_DISABLE_XET", "1"), ("HF_HUB_DISABLE_TELEMETRY", "1")):
        monkeypatch.setenv(name, value)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # read when the client was imported
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None))  # its own: everybody else's `time.sleep` still sleeps


class _RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, error: str, code: str = "", **more: Any):
        super().__init__(error)
        self.status, self.error, self.code, self.more = status, error, code, more


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def _handle(self) -> None:
        """Every method goes through the table of routes."""
        parts = urlsplit(self.path)
        self.where, self.query = unquote(parts.path), parse_qs(parts.query)
        self.hub.asked.append(f"{self.command} {self.where}")
        if self.hub.is_gone:
            self._hang_up()
            return
        fault = next((fault for fault in self.hub.faults if fault.times and fault.where in self.hub.asked[-1]), None)
        if fault:
            fault.times -= 1
            if fault.cut and not fault.after:
                self._hang_up()
                return
        self._cut_after = fault.after if fault and fault.cut else 0
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.body and self.headers.get("Transfer-Encoding") == "chunked":
            self.body = self._chunks()
        try:
            if fault and fault.status:
                raise _RefusedError(fault.status, fault.message)
            self._route()
        except _RefusedError as refused:
            self._json({"error": refused.error, **refused.more}, refused.status, refused.code, refused.error)

    def _chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _route(self) -> None:
        for pattern, function in ROUTES:
            if match := re.fullmatch(pattern, f"{self.command} {self.where}"):
                function(self, **match.groupdict())
                return
        raise _RefusedError(404, f"Sorry, we can't find the page you are looking for: {self.where}")

    # Answers

    def _json(self, value: Any, status: int = 200, code: str = "", message: str = "") -> None:
        headers = {"Content-Type": "application/json"}
        if code:
            headers |= {"X-Error-Code": code}
        if message:
            headers |= {"X-Error-Message": message.splitlines()[0]}
        self._answer(json.dumps(value).encode(), status, headers)

    def _answer(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self._cut_after:
            self.wfile.write(content[: self._cut_after])
            self._hang_up()
            return
        with contextlib.suppress(ConnectionError):  # a client that has enough
            self.wfile.write(content)

    # Who asks

    def _account(self) -> Account | None:
        """Whose token the request carries; None without one."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if given and given not in self.hub.accounts:
            raise _RefusedError(401, "Invalid credentials in Authorization header")
        return self.hub.accounts.get(given)

    def _known(self) -> Account:
        account = self._account()
        if account is None:
            raise _RefusedError(401, "Invalid username or password.")
        return account

    def _found(self, kind: str, name: str) -> Repo:
        """A repository that the token may read."""
        account, repo = self._account(), self.hub.repos.get((kind.removesuffix("s"), name))
        if repo is None or (repo.private and not (account and name.split("/")[0] in (account.name, *account.orgs))):
            raise _RefusedError(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo

    def _writable(self, kind: str, name: str) -> Repo:
        """A repository that the token may write."""
        account, repo = self._known(), self._found(kind, name)
        if not account.can_write(name.split("/")[0]):
            raise _RefusedError(403, "Forbidden: you must use a write token to upload to a repository.")
        return repo

    def _at(self, repo: Repo, revision: str) -> tuple[str, dict[str, bytes]]:
        """The commit of a revision."""
        for sha, files in reversed(repo.commits):
            if revision == "main" or (len(revision) >= 7 and sha.startswith(revision)):
                return sha, files
        raise _RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    # Accounts and repositories

    def whoami(self) -> None:
        account = self._known()
        token: dict[str, Any] = {"displayName": "test", "role": account.role}
        if account.role == "fineGrained":
            permissions = ["repo.content.read", "repo.write"]
            scoped = [{"entity": {"type": "user", "name": name}, "permissions": permissions} for name in account.may_write]
            token["fineGrained"] = {"global": [], "scoped": scoped}
        orgs = [{"type": "org", "name": name, "roleInOrg": "write"} for name in account.orgs]
        about = {"type": "user", "name": account.name, "isPro": account.is_pro, "canPay": account.can_pay, "orgs": orgs}
        self._json(about | {"auth": {"type": "access_token", "accessToken": token}})

    def create(self) -> None:
        asked, account = json.loads(self.body), self._known()
        kind, namespace = asked.get("type") or "model", asked.get("organization") or account.name
        name = f"{namespace}/{asked['name']}"
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}", asked["name"]) or "--" in name or ".." in name:
            raise _RefusedError(400, f"Invalid repo name: {name}")
        if not account.can_write(namespace):
            raise _RefusedError(403, f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"')
        if (kind, name) in self.hub.repos:
            raise _RefusedError(409, f"You already created this {kind} repo: {name}", url=f"{self.hub.url}/{_prefix(kind)}{name}")
        hardware = asked.get("hardware") or "cpu-basic"
        if kind == "space":
            _check_plan(account, asked.get("sdk"), hardware, self._spaces_on_zero(namespace))
        repo = Repo(kind, name, asked.get("visibility") == "private", asked.get("sdk") or "", hardware=hardware)
        repo.secrets = {secret["key"]: secret["value"] for secret in asked.get("secrets") or ()}
        repo.variables = {variable["key"]: variable["value"] for variable in asked.get("variables") or ()}
        repo.commit({".gitattributes": GITATTRIBUTES})
        self.hub.repos[kind, name] = repo
        self.hub.on_create(repo)
        self._json({"url": f"{self.hub.url}/{_prefix(kind)}{name}", "name": name})

    def _spaces_on_zero(self, namespace: str) -> int:
        spaces = [repo for (kind, name), repo in self.hub.repos.items() if kind == "space" and name.startswith(f"{namespace}/")]
        return sum(repo.hardware.startswith("zero") for repo in spaces)

    def validate_yaml(self) -> None:
        asked = json.loads(self.body)
        errors = _front_matter_errors(asked["content"], asked["repoType"])
        self._json({"errors": [{"message": error} for error in errors], "warnings": []}, 400 if errors else 200)

    def info(self, kind: str, name: str, revision: str = "main") -> None:
        repo = self._found(kind, name)
        sha, files = self._at(repo, revision)
        siblings = [{"rfilename": path, "size": repo.claims.get(path, len(files[path])), **_lfs(path, files[path])} for path in files]
        about = {"id": name, "author": name.split("/")[0], "sha": sha, "private": repo.private, "siblings": siblings, "tags": []}
        if repo.kind == "space":
            about |= {"sdk": repo.sdk, "host": repo.host, "subdomain": name.replace("/", "-").lower()}
        self._json(about)

    def tree(self, kind: str, name: str, revision: str, under: str = "") -> None:
        repo = self._found(kind, name)
        _, files = self._at(repo, revision)
        found = {path: content for path, content in files.items() if path.startswith(f"{under}/" if under else "")}
        self._json(
            [
                {"type": "file", "path": path, "oid": _git_oid(content), "size": repo.claims.get(path, len(content))}
                | ({"lfs": {"oid": _sha256(content), "size": len(content), "pointerSize": 134}} if _is_large(path, content) else {})
                for path, content in found.items()
            ]
        )

    def resolve(self, name: str, revision: str, path: str, kind: str = "model") -> None:
        repo = self._found(kind or "model", name)
        sha, files = self._at(repo, revision)
        if path not in files:
            raise _RefusedError(404, "Entry not found", "EntryNotFound")
        content, headers = files[path], {"X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        etag = _sha256(content) if _is_large(path, content) else _git_oid(content)
        headers |= {"ETag": f'"{etag}"', "X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(repo.claims.get(path, len(content)))}
        begins = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if begins and (first := int(begins[1])) < len(content):
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self._answer(content[first:], 206, headers)
        else:
            self._answer(content, 200, headers)

    # Commits

    def preupload(self, kind: str, name: str, revision: str) -> None:
        repo = self._writable(kind, name)
        files = []
        for file in json.loads(self.body)["files"]:
            sample = base64.b64decode(file["sample"])
            large = file["size"] > LARGE_BYTES or _is_large(file["path"], sample)
            there = repo.files.get(file["path"])
            oid = None if there is None else _sha256(there) if large else _git_oid(there)
            files.append({"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid})
        self._json({"files": files})

    def lfs_batch(self, name: str, kind: str) -> None:
        self._writable(kind or "model", name)
        objects = []
        for file in json.loads(self.body)["objects"]:
            upload = {} if file["oid"] in self.hub.large else {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{file['oid']}"}}}
            objects.append(file | upload)
        self._json({"transfer": "basic", "objects": objects})

    def lfs_put(self, oid: str) -> None:
        if _sha256(self.body) != oid:
            raise _RefusedError(400, "The content does not have this sha256")
        self.hub.large[oid] = self.body
        self._answer(b"")

    def commit(self, kind: str, name: str, revision: str) -> None:
        repo = self._writable(kind, name)
        lines = [json.loads(line) for line in self.body.splitlines()]
        assert lines[0]["key"] == "header"
        assert lines[0]["value"]["summary"]
        parent = lines[0]["value"].get("parentCommit")
        if parent and not repo.sha.startswith(parent):
            raise _RefusedError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.files)
        for line in lines[1:]:
            self._apply(files, line["key"], line["value"])
        if repo.kind == "space" and sum(map(len, files.values())) > SPACE_BYTES:
            raise _RefusedError(403, "Repository storage limit reached (Max: 1 GB)")
        if "README.md" in files and (errors := _front_matter_errors(files["README.md"].decode(), repo.kind)):
            raise _RefusedError(400, f"Invalid metadata in README.md: {errors[0]}")
        sha = repo.commit(files)
        self._json({"commitUrl": f"{self.hub.url}/{_prefix(repo.kind)}{name}/commit/{sha}", "commitOid": sha, "success": True})

    def _apply(self, files: dict[str, bytes], key: str, value: dict[str, Any]) -> None:
        """One line of a commit."""
        path = value["path"]
        if path.startswith("/") or ".." in path.split("/"):
            raise _RefusedError(400, f"Invalid path: {path}")
        if key == "file":
            content = base64.b64decode(value["content"])
            if len(content) > LARGE_BYTES or _is_large(path, content):
                raise _RefusedError(400, f"Your push was rejected because it contains files larger than 10 MiB or binary files: {path}")
            files[path] = content
        elif key == "lfsFile":
            if value["oid"] not in self.hub.large:
                raise _RefusedError(400, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = self.hub.large[value["oid"]]
        elif key == "deletedFile":
            if path not in files:
                raise _RefusedError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            del files[path]
        else:
            raise _RefusedError(400, f"Unknown operation: {key}")

    # Spaces

    def secrets(self, name: str) -> None:
        repo = self._writable("space", name)
        if self.command == "POST":
            asked = json.loads(self.body)
            repo.secrets[asked["key"]] = asked["value"]
        self._json({key: {"updatedAt": "2026-11-01T00:00:00.000Z"} for key in repo.secrets})

    def runtime(self, name: str) -> None:
        self._json(self._found("space", name).runtime())

    def settings(self, kind: str, name: str) -> None:
        repo, asked = self._writable(kind, name), json.loads(self.body)
        repo.private = asked["visibility"] == "private" if "visibility" in asked else asked["private"]
        self._json({"private": repo.private})

    def set_hardware(self, name: str) -> None:
        account, repo = self._known(), self._writable("space", name)
        hardware = json.loads(self.body)["flavor"]
        _check_plan(account, repo.sdk, hardware, self._spaces_on_zero(name.split("/")[0]) - repo.hardware.startswith("zero"))
        repo.hardware = hardware
        self._json(repo.runtime())

    def restart(self, name: str) -> None:
        repo = self._writable("space", name)
        repo.restart()
        self._json(repo.runtime())

    def logs(self, name: str, which: str) -> None:
        lines = self._writable("space", name).logs[which]
        events = [f"data: {json.dumps({'data': line, 'timestamp': '2026-11-01T00:00:00.000Z'})}\n\n" for line in lines]
        self._answer("".join([*events, "data:\n\n"]).encode(), headers={"Content-Type": "text/event-stream"})

    # Jobs

    def start_job(self, user: str) -> None:
        account, spec = self._known(), json.loads(self.body)
        if account.role == "read" or user != account.name:
            raise _RefusedError(403, "Forbidden: you may not start jobs here.")
        if not account.can_pay:
            raise _RefusedError(402, "Pre-paid credit balance is insufficient")
        if spec["flavor"] not in HARDWARE:
            raise _RefusedError(400, f"Invalid flavor: {spec['flavor']}")
        job_id = f"{len(self.hub.jobs):024x}"
        folder = self.hub.jobs_folder / job_id
        (folder / "bin").mkdir(parents=True)
        for name, script in (("pip", "exit 0"), ("python", f'exec {sys.executable} "$@"')):
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        for volume in spec["volumes"]:
            _, files = self._at(self._found(volume["type"], volume["source"]), volume["revision"])
            for path, content in files.items():
                if path.startswith(f"{volume['path']}/"):
                    target = folder / volume["mountPath"].lstrip("/") / path.removeprefix(f"{volume['path']}/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
        command = [re.sub(r"(?<= )/(?=code|work)", f"{folder}/", part) for part in spec["command"]]
        kept = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "PYTHONPATH")}
        environment = kept | spec["environment"] | spec["secrets"] | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        job = self.hub.jobs[job_id] = Job(job_id, user, spec, process)
        threading.Thread(target=job.watch, args=(spec["timeoutSeconds"],), daemon=True).start()
        self._json(job.about())

    def _job(self, user: str, job: str) -> Job:
        self._known()
        if job not in self.hub.jobs:
            raise _RefusedError(404, "Job not found")
        return self.hub.jobs[job]

    def job(self, user: str, job: str) -> None:
        self._json(self._job(user, job).about())

    def cancel_job(self, user: str, job: str) -> None:
        self._job(user, job).end("CANCELED")
        self._json({})

    def job_logs(self, user: str, job: str) -> None:
        """Lines while they come, until the job is over."""
        found, sent = self._job(user, job), 0
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            while True:
                is_over = found.stage != "RUNNING"
                for line in found.lines[sent:]:
                    sent += 1
                    self.wfile.write(f"data: {json.dumps({'data': line, 'timestamp': '2026-11-01T00:00:00.000Z'})}\n\n".encode())
                if is_over or self.hub.is_gone:
                    return
                time.sleep(0.02)

    def jobs_hardware(self) -> None:
        about = {"cpu": "2 vCPU", "ram": "16 GB", "unitLabel": "minute"}
        prices = {"cpu-basic": 0.01, **{name: cost for name, cost in HARDWARE.items() if cost}}
        self._json(
            [about | {"name": name, "prettyName": name, "unitCostUSD": cost / 60, "unitCostMicroUSD": 1} for name, cost in prices.items()]
        )

    def hardware(self) -> None:
        about = {"cpu": "2 vCPU", "ram": "16 GB", "unitLabel": "hour"}
        self._json(
            [
                about | {"name": name, "prettyName": name, "unitCostUSD": cost, "unitCostMicroUSD": int(cost * 1e6)}
                for name, cost in HARDWARE.items()
            ]
        )


KINDS = r"(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
PAGES = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+?)"
ROUTES = [
    (r"GET /api/whoami-v2", _Handler.whoami),
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.validate_yaml),
    (r"GET /api/spaces/hardware", _Handler.hardware),
    (r"GET /api/jobs/hardware", _Handler.jobs_hardware),
    (r"POST /api/jobs/(?P<user>[^/]+)", _Handler.start_job),
    (r"GET /api/jobs/(?P<user>[^/]+)/(?P<job>[^/]+)", _Handler.job),
    (r"GET /api/jobs/(?P<user>[^/]+)/(?P<job>[^/]+)/logs", _Handler.job_logs),
    (r"POST /api/jobs/(?P<user>[^/]+)/(?P<job>[^/]+)/cancel", _Handler.cancel_job),
    (r"(?:GET|POST) /api/spaces/(?P<name>[^/]+/[^/]+)/secrets", _Handler.secrets),
    (r"GET /api/spaces/(?P<name>[^/]+/[^/]+)/runtime", _Handler.runtime),
    (r"POST /api/spaces/(?P<name>[^/]+/[^/]+)/hardware", _Handler.set_hardware),
    (r"POST /api/spaces/(?P<name>[^/]+/[^/]+)/restart", _Handler.restart),
    (r"GET /api/spaces/(?P<name>[^/]+/[^/]+)/logs/(?P<which>build|run)", _Handler.logs),
    (rf"GET /api/{KINDS}", _Handler.info),
    (rf"GET /api/{KINDS}/revision/(?P<revision>[^/]+)", _Handler.info),
    (rf"GET /api/{KINDS}/tree/(?P<revision>[^/]+)(?:/(?P<under>.+))?", _Handler.tree),
    (rf"PUT /api/{KINDS}/settings", _Handler.settings),
    (rf"POST /api/{KINDS}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    (rf"POST /api/{KINDS}/commit/(?P<revision>[^/]+)", _Handler.commit),
    (rf"POST {PAGES}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    (r"PUT /lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_put),
    (rf"(?:GET|HEAD) {PAGES}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
]


def _check_plan(account: Account, sdk: str | None, hardware: str, on_zero: int) -> None:
    """What an account may host."""
    if hardware not in HARDWARE:
        raise _RefusedError(400, f"Invalid hardware: {hardware}")
    if sdk == "static" or account.is_pro:
        return
    if hardware == "cpu-basic":
        raise _RefusedError(402, FREE_GRADIO)
    if hardware.startswith("zero") and on_zero >= 2:
        raise _RefusedError(403, "You have reached the limit of 2 ZeroGPU Spaces of a free account")
    if HARDWARE[hardware] and not account.can_pay:
        raise _RefusedError(402, "You must add a payment method to your account to upgrade your space's hardware.")


def _front_matter_errors(readme: str, kind: str) -> list[str]:
    """What the Hub finds wrong with the front matter of a README."""
    block = re.match(r"---\r?\n(.*?)\r?\n---", readme, re.S)
    try:
        about = yaml.safe_load(block[1]) if block else {}
    except yaml.YAMLError as error:
        return [f"Invalid YAML: {str(error).splitlines()[0]}"]
    if not isinstance(about, dict):
        return ["The metadata must be an object"]
    errors = []
    if kind == "space":
        if about.get("sdk") not in ("gradio", "docker", "static"):
            errors.append('"sdk" must be one of [gradio, docker, static]')
        errors += [f'"{name}" must be one of {sorted(COLORS)}' for name in ("colorFrom", "colorTo") if about.get(name, "red") not in COLORS]
        if len(str(about.get("short_description", ""))) > 60:
            errors.append('"short_description" length must be less than or equal to 60 characters long')
        if not re.fullmatch(r"\d+\.\d+(\.\d+\w*)?", str(about.get("sdk_version", "1.0"))):
            errors.append('"sdk_version" must be a version')
    for result in about.get("model-index") or ():
        if not isinstance(result, dict) or not result.get("name") or not isinstance(result.get("results"), list):
            errors.append('"model-index[0].results" is required')
    return errors


def _prefix(kind: str) -> str:
    return "" if kind == "model" else f"{kind}s/"


def _is_large(path: str, content: bytes) -> bool:
    """Whether a file goes through LFS: by its name, its size, or because it is binary."""
    return path.endswith(LARGE_KINDS) or len(content) > LARGE_BYTES or b"\0" in content[:512]


def _lfs(path: str, content: bytes) -> dict[str, Any]:
    if not _is_large(path, content):
        return {"blobId": _git_oid(content)}
    return {"blobId": _git_oid(content), "lfs": {"size": len(content), "sha256": _sha256(content), "pointerSize": 134}}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
