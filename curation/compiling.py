"""The compiler of the joins: where its results are kept, and a word to the user before it runs."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

ONCE: Final = "compiling the joins for this machine, once, about a minute"
_FOLDER: Final = "NUMBA_CACHE_DIR"
_PACKAGE: Final = Path(__file__).resolve().parent


def settle_cache() -> None:
    """Give the compiler a temporary folder if it could keep its results nowhere; without any it refuses to start.

    To be called before numba is imported, which looks beside the package and in the user's cache folder.
    """
    if os.environ.get(_FOLDER) or _writable(_PACKAGE / "__pycache__") or _writable(_users_cache()):
        return
    os.environ[_FOLDER] = _temporary()


@contextmanager
def announcing(say: Callable[[str], None]) -> Iterator[None]:
    """Have `say` told once, before the first function is compiled; of functions found compiled nothing is told."""
    from numba.core import event

    class Listener(event.Listener):
        told = False

        def on_start(self, event: Any) -> None:
            if not self.told:
                self.told = True
                kept = os.environ.get(_FOLDER)
                say(f"{ONCE} (kept in {kept})" if kept else ONCE)

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield


def _users_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "numba")


def _writable(folder: Path) -> bool:
    """Whether files can be made there; a missing folder is made, as the compiler would. A ~ without a home is none."""
    if not folder.is_absolute():
        return False
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK)
    return False


def _temporary() -> str:
    """The same folder every time, so that one compilation is enough; never one that somebody else may have filled."""
    import tempfile  # costs more than a whole --help may

    folder = Path(tempfile.gettempdir()) / f"curate-compiled-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return tempfile.mkdtemp(prefix="curate-compiled-")
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return str(folder) if ours else tempfile.mkdtemp(prefix="curate-compiled-")
