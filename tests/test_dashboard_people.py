"""Who judges: by login where the workspace configures one, else by the name they give; a login cannot be passed by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.runs import run_place
from curation.workspace import Workspace, init_workspace
from tests.dashboard_screens import dashboard_in, screen, sound, told
from tests.review_data import evaluation

pytest.importorskip("streamlit")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of streamlit's own imports


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    made = init_workspace(tmp_path / "w")
    for output in ("one", "two"):
        evaluation(run_place(made).experiments, lambda i, said=output: f"{said} {i}", items=4)  # type: ignore[misc]
    with dashboard_in(made.root, monkeypatch) as opened:
        yield opened


def test_without_a_login_people_give_their_name(here: Workspace) -> None:
    from app.dashboard import people

    assert not people.configured()
    found = screen("pairwise")
    found.text_input(key="author").set_value("ana").run()
    assert any("A is better" in one.label for one in sound(found).button)


def test_who_is_logged_in_judges_under_no_other_name(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.dashboard import people

    user: dict[str, Any] = {"is_logged_in": True, "name": "Ana ![x](http://x.example/n.png)"}
    monkeypatch.setattr(people, "_user", lambda: user)
    for name in ("review", "pairwise"):
        found = screen(name, **{"as": "somebody else"})
        assert not [one for one in found.text_input if one.key == "author"]
        assert "Ana ![x](http://x.example/n.png)" in told(found)
        assert not any("x.example" in one.value for one in (*found.markdown, *found.caption, *found.info))


def test_with_a_login_configured_nothing_is_shown_before_it(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit
    from streamlit.testing.v1 import AppTest

    from app.dashboard import people

    (here.root / ".streamlit").mkdir()
    (here.root / ".streamlit" / "secrets.toml").write_text('[auth]\nredirect_uri = "http://localhost/oauth2callback"\n')
    monkeypatch.setattr(streamlit, "secrets", {"auth": {}})
    assert people.configured()
    text = (
        "from app.dashboard.people import require_login\nrequire_login()\nimport streamlit as st\nst.text('inside')\n"
    )
    found = sound(AppTest.from_string(text).run())
    assert "inside" not in told(found)
    assert [one.label for one in found.button] == ["log in"]
    monkeypatch.setattr(people, "_user", lambda: {"is_logged_in": True, "email": "ana@example.org"})
    assert "inside" in told(sound(AppTest.from_string(text).run()))


def test_each_way_to_log_in_has_its_button_and_there_is_a_way_out(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streamlit
    from streamlit.testing.v1 import AppTest

    from app.dashboard import people

    (here.root / ".streamlit").mkdir()
    (here.root / ".streamlit" / "secrets.toml").write_text("")
    monkeypatch.setattr(streamlit, "secrets", {"auth": {"ours": {"client_id": "a"}, "theirs": {"client_id": "b"}}})
    asked: list[str | None] = []
    monkeypatch.setattr(streamlit, "login", asked.append)
    text = "import streamlit as st\nfrom app.dashboard.people import offer_logout, require_login\nrequire_login()\n"
    found = sound(AppTest.from_string(text).run())
    assert [one.label for one in found.button] == ["log in with ours", "log in with theirs"]
    found.button[1].click().run()
    assert asked == ["theirs"]
    monkeypatch.setattr(people, "_user", lambda: {"is_logged_in": True, "email": "ana@example.org"})
    left: list[bool] = []
    monkeypatch.setattr(streamlit, "logout", lambda: left.append(True))
    found = sound(AppTest.from_string(text + "offer_logout(st.sidebar)\n").run())
    assert "ana@example.org" in told(found)
    found.button[0].click().run()
    assert left == [True]
