"""Starts a deployed folder as a Space starts it, without a Space."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.support.server import STOP_LIMIT_S, free_port, wait_until_healthy

USER = 1000  # a Space's user id
GIVEN = {  # by the image that Spaces with Gradio are built from
    "SYSTEM": "spaces",
    "PYTHONUNBUFFERED": "1",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_THEME": "huggingface",
    "TQDM_POSITION": "-1",
    "TQDM_MININTERVAL": "1",
}
HOST = "ada-soliloquy.hf.space"

# User 1000, who may still read everything: Python may lie in root's home.
AS_USER = [
    "setpriv",
    f"--reuid={USER}",
    f"--regid={USER}",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]

# PyTorch's build for the CPU lacks names of the one with CUDA, which ZeroGPU has, and which the package `spaces` replaces.
LIKE_CUDA = (
    "import runpy, sys, torch; torch.version.cuda = torch.version.cuda or '12.8'; torch.cuda._is_in_bad_fork = torch._C._cuda_init = bool; "
    "sys.argv = sys.argv[1:]; sys.path.insert(0, ''); runpy.run_path(sys.argv[0], run_name='__main__')"
)


class Space:
    """A folder with the files of a Space, and what is around it.

    Attributes:
        folder: which the app cannot write to.
        home, data, temporary: folders of its own.
    """

    def __init__(self, around: Path, files: Mapping[str, bytes]):
        self.folder, self.home, self.data, self.temporary = (around / name for name in ("app", "home", "data", "tmp"))
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)
        is_root = os.geteuid() == 0
        self._before = AS_USER if is_root and shutil.which("setpriv") else []
        for folder in (self.home, self.data, self.temporary):
            folder.mkdir()
            if self._before:
                os.chown(folder, USER, USER)
        for path in (around, *around.parents):  # pytest's folders are for their owner alone
            if self._before and path.name.startswith(("pytest-", "test_", around.name)):
                path.chmod(0o755)
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)

    @contextlib.contextmanager
    def running(self, *before: str, **environment: str) -> Iterator[str]:
        """Yields the address of the app.

        Args:
            before: what stands before app.py on Python's command line.
            environment: variables and secrets of the Space.
        """
        url = f"http://127.0.0.1:{(port := free_port())}"
        ours = {name: os.environ[name] for name in ("PATH", "LANG", "OMP_NUM_THREADS") if name in os.environ}
        own = {
            "PYTHONPATH": str(self.folder),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "SPACE_ID": "ada/soliloquy",
            "SPACE_HOST": HOST,
        }
        command = [*self._before, sys.executable, *before, "app.py", "--port", str(port)]
        app = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, env=ours | GIVEN | own | environment)
        try:
            wait_until_healthy(url, app)
            yield url
        finally:
            app.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                app.wait(STOP_LIMIT_S)
            app.kill()
            app.wait()

    def written(self) -> set[str]:
        """Files that the app left in its folders, other than compiled code, and what changed in the one that it cannot write to."""
        folders = (self.home, self.data, self.temporary)
        found = {str(path.relative_to(self.folder.parent)) for folder in folders for path in folder.rglob("*") if path.is_file()}
        found = {path for path in found if not path.startswith("home/.cache/soliloquy/numba/")}
        return found | {str(path) for path in self.folder.rglob("*") if path.name == "__pycache__" or path.stat().st_mode & 0o222}


@contextlib.contextmanager
def zero_gpu() -> Iterator[tuple[dict[str, str], list[str]]]:
    """What a ZeroGPU Space is told from outside: yields its environment, and the reports that it gets."""
    reports: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reports.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{server.server_address[1]}"}, reports
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
