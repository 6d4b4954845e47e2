"""The same function over many items in spawned processes; one that is killed is an error, never a wait without end.

A pool of concurrent.futures shares one pipe for results: a process killed in the middle of a large one leaves the
reader waiting for its rest for ever. Here every process has a pipe of its own, which ends when the process does.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import Any

from curation.errors import CurateError


def map_in_processes(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, name: Callable[[Any], str]
) -> Iterator[Any]:
    """`function` of each item, in order of the items; what it raises is raised here. `name` is for messages."""
    # Spawned, never forked: a forked child inherits threads and file handles of Arrow and DuckDB.
    context = multiprocessing.get_context("spawn")
    waiting = list(enumerate(items))[::-1]
    busy: dict[Any, tuple[Any, int]] = {}  # pipe -> process, item
    started: list[Any] = []
    done: dict[int, Any] = {}
    try:
        for _ in range(min(workers, len(items))):
            ours, theirs = context.Pipe()
            started.append(context.Process(target=_work, args=(function, theirs), daemon=True))
            with _undisturbed():
                started[-1].start()
            theirs.close()
            _hand_out(ours, started[-1], waiting, busy)
        for wanted in range(len(items)):
            while wanted not in done:
                for pipe in connection.wait(list(busy)):
                    process, index = busy.pop(pipe)
                    done[index] = _result(pipe, process, name(items[index]))
                    if waiting:
                        _hand_out(pipe, process, waiting, busy)
            yield done.pop(wanted)
    finally:
        for process in started:
            if process.pid is not None:
                process.kill()  # they only read; nothing of theirs is half-written
                process.join()


def _hand_out(pipe: Any, process: Any, waiting: list[tuple[int, Any]], busy: dict[Any, tuple[Any, int]]) -> None:
    index, item = waiting.pop()
    busy[pipe] = process, index
    with suppress(OSError):  # the process is gone: reading its result will say so
        pipe.send(item)


def _result(pipe: Any, process: Any, name: str) -> Any:
    try:
        result, error = pipe.recv()
    except (EOFError, OSError):
        process.join()
        raise CurateError(
            f"{name}: the process that worked on it was ended ({_cause(process.exitcode)}); "
            "use --workers 1, or build fewer sources at a time; nothing was published"
        ) from None
    if error is not None:
        raise error
    return result


def _cause(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "killed, as when memory runs out"
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal: those started here never see it, the starting one a moment later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(function: Callable[[Any], Any], pipe: Any) -> None:
    """Until the other end is gone."""
    with suppress(EOFError, OSError):
        while True:
            item = pipe.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = (function(item), None)
            except Exception as error:  # handed on, to be raised where somebody listens
                answer = (None, error)
            pipe.send(answer)
