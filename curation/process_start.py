"""What a process that does little but build data can do to build it sooner."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import Final

# glibc's mallopt(): numbers of the parameters, and the values for a build.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_REUSED: Final = {_TRIM_THRESHOLD: 1 << 30, _TOP_PAD: 64 << 20, _MMAP_THRESHOLD: 32 << 20}
_USUAL: Final = {_TRIM_THRESHOLD: 128 << 10, _TOP_PAD: 128 << 10, _MMAP_THRESHOLD: 32 << 20}


@contextmanager
def memory_reused() -> Iterator[None]:
    """Inside, memory that is freed serves again instead of going back to the system and being fetched anew.

    A build frees and takes the same hundreds of megabytes a dozen times; each new page costs a fault. Afterwards the
    rest goes back. Does nothing where the C library is another than glibc.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "gnu_get_libc_version"):
        yield
        return
    for parameter, value in _REUSED.items():
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _USUAL.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)


def leave_pandas_out() -> None:
    """Let Arrow do without pandas in this process, which it imports for the first value it converts (0.15 s).

    Only for processes of our own: from then on Arrow takes a pandas Series for any other sequence. Does nothing where
    pandas has been imported already.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    refusal = _NoPandas()
    sys.meta_path.insert(0, refusal)
    try:
        pa.scalar("")  # Arrow asks for pandas at its first value, and only once
    finally:
        sys.meta_path.remove(refusal)


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "pandas":
            raise ImportError(fullname)
