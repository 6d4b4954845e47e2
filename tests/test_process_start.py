"""What a build's process does to start sooner and to reuse memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from curation.pipeline import build
from curation.process_start import memory_reused
from tests.lineage_workspace import line, workspace, write


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_arrow_leaves_pandas_out_until_it_is_asked_for() -> None:
    code = """if True:
        import sys
        from curation.process_start import leave_pandas_out
        leave_pandas_out()
        import pyarrow as pa
        table = pa.table({"a": pa.array(["x", None])})
        print("pandas" in sys.modules, table.to_pandas()["a"].tolist()[0])
    """
    assert run(code).split() == ["False", "x"]


def test_a_diff_leaves_pandas_out(tmp_path: Path) -> None:
    made = workspace(tmp_path, [line(n) for n in range(20)])
    build(made)
    write(tmp_path, [line(n) for n in range(1, 20)])
    build(made)
    code = f"""if True:
        import sys
        from app.cli import main
        print(main(["diff", "v1", "v2", "--json", "-C", {str(tmp_path)!r}]), "pandas" in sys.modules)
    """
    assert run(code).splitlines()[-1] == "0 False"


def test_a_process_with_pandas_keeps_it() -> None:
    code = """if True:
        import pandas
        from curation.process_start import leave_pandas_out
        leave_pandas_out()
        import pyarrow as pa
        print(pa.array(pandas.Series([1.0, float("nan")])).null_count)
    """
    assert run(code).split() == ["1"]


def test_memory_is_usable_inside_and_after() -> None:
    with memory_reused():
        inside = [np.ones(300_000) for _ in range(20)]
        del inside[::2]
    assert sum(part.sum() for part in inside) == 3_000_000
    assert np.ones(1_000_000).sum() == 1_000_000
