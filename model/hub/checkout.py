"""The checkout that is deployed: which of its files, and whether they can be."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

from huggingface_hub import metadata_load
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from model.errors import ParameterError
from model.files import clean_name
from model.limits import MAX_SPACE_BYTES

CHECKOUT = Path(__file__).parent.parent.parent
NEEDED = ("LICENSE", "README.md", "app.py", "docs", "model", "requirements.txt", "ui", "weights")  # at the top of the checkout
UNNEEDED = ("ui/jsconfig.json", "ui/oxlint.json", "ui/types.d.ts")  # in them, but for developers alone
SAID = ("title", "sdk", "sdk_version", "python_version", "app_file")  # in the front matter
LISTED = 8  # names in a message
RESTORE = "To bring the shipped version back: git restore README.md requirements.txt"

# What ZeroGPU Spaces offer.
ZERO_GPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
ZERO_GPU_PYTHON = ("3.10", "3.12")


def files_to_deploy(checkout: Path) -> dict[str, Path]:
    """The files that git knows and the app needs, by their path in the Space.

    Raises:
        ParameterError: the folder is not a git checkout, a file is missing, or all together are too large.
    """
    paths = [path for path in _git(checkout, "ls-files", "-z", "--", *NEEDED) if path not in UNNEEDED]
    files = {path: checkout / path for path in paths}
    if missing := [path for path, file in files.items() if file.is_symlink() or not file.is_file()]:
        raise ParameterError(f"git knows files that are not there: {listed(missing)}. Bring them back with: git restore .")
    if absent := [path for path in NEEDED if not any(known == path or known.startswith(f"{path}/") for known in files)]:
        raise ParameterError(f"The checkout {checkout} lacks {listed(absent)}, which the app needs.")
    size_bytes = sum(file.stat().st_size for file in files.values())
    if size_bytes > MAX_SPACE_BYTES:
        raise ParameterError(
            f"The files are {size_bytes / 1e9:.1f} GB together; a Space holds {MAX_SPACE_BYTES / 1e9:.0f} GB. "
            "Take large models out of weights/ (git rm --cached), or put them on the Hub with: python -m model push"
        )
    return files


def changed_files(checkout: Path) -> tuple[list[str], list[str]]:
    """Files that the app needs and that differ from the last commit: those that git knows, and those that it does not.

    Raises:
        ParameterError: the folder is not a git checkout.
    """
    lines = _git(checkout, "status", "--porcelain", "-z", "--no-renames", "--", *NEEDED)
    return [line[3:] for line in lines if line[:2] != "??"], [line[3:] for line in lines if line[:2] == "??"]


def check_versions(checkout: Path, on_zero_gpu: bool) -> None:
    """Checks the front matter of the README, from which a Space is built, and whether the requirements fit to it and to ZeroGPU.

    Raises:
        ParameterError: the front matter or the requirements are not as they must be.
    """
    try:
        about = metadata_load(checkout / "README.md") or {}
    except Exception as error:  # of the YAML parser, or of the client
        raise ParameterError(f"The front matter of README.md cannot be read: {clean_name(str(error))}. {RESTORE}") from None
    if missing := [key for key in SAID if not about.get(key)]:
        raise ParameterError(f"The front matter of README.md does not say {listed(missing)}. {RESTORE}")
    if about["sdk"] != "gradio" or about["app_file"] != "app.py":
        raise ParameterError(f"The front matter of README.md must have the sdk gradio and the app_file app.py. {RESTORE}")
    python, gradio, ranges = str(about["python_version"]), str(about["sdk_version"]), _requirements(checkout)
    if not ranges["gradio"].contains(gradio):
        raise ParameterError(f"README.md has sdk_version {gradio}, but requirements.txt wants gradio{ranges['gradio']}. {RESTORE}")
    if on_zero_gpu and not any(ranges["torch"].contains(version) for version in ZERO_GPU_TORCH):
        offered = f"{ZERO_GPU_TORCH[0]} to {ZERO_GPU_TORCH[-1]}"
        raise ParameterError(f"ZeroGPU has PyTorch {offered}, but requirements.txt wants torch{ranges['torch']}. {RESTORE}")
    if on_zero_gpu and python not in ZERO_GPU_PYTHON:
        raise ParameterError(f"ZeroGPU has Python {' and '.join(ZERO_GPU_PYTHON)}, but README.md wants {python}. {RESTORE}")


def listed(names: Collection[str]) -> str:
    """Some of the names, and how many more there are."""
    shown = ", ".join(map(clean_name, list(names)[:LISTED]))
    return f"{shown} and {len(names) - LISTED:,} more" if len(names) > LISTED else shown


def _requirements(checkout: Path) -> dict[str, SpecifierSet]:
    """Version ranges by package."""
    lines = (line.partition("#")[0].strip() for line in (checkout / "requirements.txt").read_text(encoding="utf-8").splitlines())
    return {requirement.name: requirement.specifier for requirement in map(Requirement, filter(None, lines))}


def _git(checkout: Path, *arguments: str) -> list[str]:
    """What git prints, split where it writes NUL characters.

    Raises:
        ParameterError: git does not work here.
    """
    remedy = "Deploy from a clone of the repository: git knows which files belong to the app."
    try:
        result = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError as error:
        raise ParameterError(f"git cannot be run ({error.strerror}). {remedy}") from error
    if result.returncode:
        raise ParameterError(f"{checkout} is not a git checkout ({clean_name(result.stderr)}). {remedy}")
    return [part for part in result.stdout.split("\0") if part]
