"""Several processes on one store: readers are never blocked, one writer at a time, kill -9 loses nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.errors import StoreBusyError
from curation.store import Store, open_store
from tests.store_samples import publish_number, whole

READ_FOR_EVER = """
import sys
from pathlib import Path
from curation.store import open_store
from tests.store_samples import whole
reads = last = 0
while last < int(sys.argv[2]):
    store = open_store(Path(sys.argv[1]))
    version = store.resolve("latest")
    number = int(version.name[1:])
    assert number >= last, (number, last)
    assert whole(store, version), version.name
    last, reads = number, reads + 1
print(reads)
"""

HOLD = """
import sys
from pathlib import Path
from curation.store import Store
with Store(Path(sys.argv[1])).writer():
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_readers_and_a_writer_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    publish_number(store, 1)
    readers = [start(READ_FOR_EVER, store.root, 9) for _ in range(2)]
    for number in range(2, 10):
        publish_number(store, number)
        time.sleep(0.1)
    for reader in readers:
        reads, errors = reader.communicate(timeout=60)
        assert (reader.returncode, errors) == (0, "")
        assert int(reads) >= 1


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with start(HOLD, store.root) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusyError) as caught:
            publish_number(store, 1)
        line = str(caught.value)
        assert line.startswith(f"{store.root}: process {holder.pid} is writing to it (-c {store.root}, since 20")
        assert line.endswith("; wait for it to finish, or stop it")
        assert caught.value.exit_code == 6
        assert store.versions() == []  # reading goes on
        with pytest.raises(StoreBusyError), store.writer(wait_s=0.2):
            pass
        holder.stdin.close()
        with store.writer(wait_s=30):
            assert publish_number(store, 1).name == "v1"
    assert (store.root / "writer.lock").read_text() == ""


def test_the_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "store")
    with start(HOLD, store.root) as holder:
        assert holder.stdout
        holder.stdout.readline()
        holder.kill()
    assert publish_number(store, 1).name == "v1"


def kill_while_publishing(path: Path, delay_s: float) -> str:
    """The last version that a publishing process acknowledged before kill -9; "" if none."""
    command = [sys.executable, "-m", "tests.store_samples", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)
        lines = (first + process.stdout.read()).splitlines(keepends=True)
    return next((line.strip() for line in reversed(lines) if line.endswith("\n")), "")


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "store"
    moments = random.Random(5)
    for _ in range(5):
        acknowledged = kill_while_publishing(path, moments.uniform(0, 0.4))
        store = open_store(path)
        versions = store.versions()
        assert len(versions) >= int(acknowledged[1:])
        assert whole(store, versions[-1])
        assert store.check() == []
        published = publish_number(store, len(versions) + 1)
        assert whole(store, published)
        assert not list(path.rglob(".tmp-*"))


# Every file operation of a publish in turn is where the process dies.
DIE_AT = """
import os, sys
from pathlib import Path
from curation.store import Store, files, generations, segments
from tests.store_samples import publish_number

left = int(sys.argv[2])
def dying(function):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*arguments, **named)
    return call

os.replace, os.fsync, os.unlink = dying(os.replace), dying(os.fsync), dying(os.unlink)
generations.edit_catalog = dying(generations.edit_catalog)
generations.shutil.copyfile = dying(generations.shutil.copyfile)
store = Store.create(Path(sys.argv[1]))
publish_number(store, len(store.versions()) + 1)
print("done")
"""


@pytest.mark.slow
def test_death_at_each_file_operation(tmp_path: Path) -> None:
    path = tmp_path / "store"
    for at in range(100):
        before = len(open_store(path).versions()) if at and (path / "CURRENT").exists() else 0
        process = start(DIE_AT, path, at)
        output, errors = process.communicate()
        assert process.returncode in (0, 9), errors
        store = Store.create(path)
        assert len(store.versions()) in (before, before + 1)
        assert all(whole(store, version) for version in store.versions())
        assert store.check() == []
        if output:
            break
    assert at > 10
    assert publish_number(store, len(store.versions()) + 1).new
