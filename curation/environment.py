"""What a run was made with: packages, Python, this program's revision, the machine. For run.json."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = (
    *("accelerate", "bitsandbytes", "datasets", "liger-kernel", "peft", "safetensors", "tokenizers", "torch"),
    "transformers",
)
_ROOT: Final = Path(__file__).resolve().parents[1]


def environment() -> dict[str, Any]:
    """The keys packages, python, code, host and pid of run.json."""
    return {
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "code": {"version": _version("curate") or "unknown", **_checkout()},
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _checkout() -> dict[str, Any]:
    """Commit, and whether files differ from it, where the program runs from a checkout of its own."""
    if not (_ROOT / ".git").exists():
        return {"revision": None, "dirty": None}
    revision, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {"revision": revision or None, "dirty": None if changes is None else bool(changes)}


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
