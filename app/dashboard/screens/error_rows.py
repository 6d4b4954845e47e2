"""The training rows behind one output: what may have taught it."""

from __future__ import annotations

import shlex
from functools import lru_cache

import orjson
import pandas as pd
import streamlit as st

from app.dashboard.downloads import tabled
from app.dashboard.place import here
from curation.runs import read_run
from curation.workspace import Workspace
from eval.folder import EvalFolder
from eval.review.frame import Shown
from eval.review.proposals import TrainingData
from eval.taxonomy import load_taxonomy


def behind(folder: EvalFolder, output: pd.Series) -> None:
    """Looked up when asked for: the first time it takes a moment, for the rows of the training are read."""
    version = read_run(folder.of).version
    if version is None or not st.toggle("training rows behind it", key="behind"):
        return
    messages = tuple(orjson.loads(output["prompt"]))
    shown = Shown(output["prediction_id"], output["item_id"], messages, output["output"] or "", output["reference"])
    near = _data(here()).near(shown, folder.of.name)
    if not near:
        st.info("No row of its training is near this output, or its version is not in this workspace.")
        return
    rows = [
        (
            one.same,
            one.row.place,
            one.row.prompt,
            one.row.answer,
            one.similarity,
            one.row.loss,
            ", ".join(one.row.notes),
        )
        for one in near
    ]
    st.caption("rows that ask the same first; alike: shared sequences of five characters; loss: of the last visit")
    columns = ["asks the same", "row", "prompt", "answer", "alike", "loss", "notes"]
    tabled(pd.DataFrame(rows, columns=columns), "training rows behind it")
    st.code(f"curate why {shlex.quote(near[0].row.place)} --version {version['name']}", language=None)
    if (folder.run.settings.get("exam") or {}).get("split") == "test":
        st.caption("An item of test: what it shows is for no patch, which would be refused (curate patch add --spend).")


@lru_cache(maxsize=1)
def _data(here: Workspace) -> TrainingData:
    return TrainingData(here, load_taxonomy(here.root))
