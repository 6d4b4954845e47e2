"""Login and logout with OpenID Connect in a real browser: out to a provider, back under a name, and out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.runs import run_place
from curation.store.journal import open_journal
from curation.store.tags import tags
from curation.workspace import Workspace, init_workspace
from tests.browser import CHROMIUM, browsing, free_port, serving
from tests.oidc_server import CLIENT, SECRET, Provider, oidc_server
from tests.review_data import evaluation

pytest.importorskip("playwright")
pytest.importorskip("streamlit")
pytest.importorskip("authlib", reason='no login here: pip install "curate[login]"')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
LAB = ".lab[data-item]:not([data-item=''])"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with oidc_server() as made:
        yield made


def workspace(root: Path, provider: Provider, port: int) -> Workspace:
    made = init_workspace(root)
    evaluation(run_place(made).experiments, items=8)
    (made.root / ".streamlit").mkdir()
    (made.root / ".streamlit" / "secrets.toml").write_text(
        f"[auth]\nredirect_uri = 'http://127.0.0.1:{port}/oauth2callback'\ncookie_secret = '{'x' * 40}'\n"
        f"client_id = '{CLIENT}'\nclient_secret = '{SECRET}'\n"
        f"server_metadata_url = '{provider.url}/.well-known/openid-configuration'\n"
    )
    return made


def test_in_under_a_name_and_out_again(tmp_path: Path, provider: Provider) -> None:
    port = free_port()
    made = workspace(tmp_path / "w", provider, port)
    with serving(made.root, port) as address, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/review?as=somebody")
        button(page, "log in").click(timeout=60_000)
        page.wait_for_selector("text=Ana Example", timeout=60_000)
        assert "/token" in provider.asked
        page.goto(f"{address}/review?as=somebody")
        page.wait_for_selector(LAB, timeout=60_000)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=1 of 8 judged by Ana Example", timeout=60_000)
        button(page, "log out").click(timeout=60_000)
        button(page, "log in").wait_for(timeout=60_000)
        assert page.locator(LAB).count() == 0
        (left,) = provider.logouts
        assert left["client_id"] == CLIENT
        assert left["id_token_hint"].count(".") == 2
        page.reload()
        button(page, "log in").wait_for(timeout=60_000)
    with open_journal(run_place(made).journal) as journal:
        assert {tag.author for tag in tags(journal)} == {"Ana Example"}


def test_who_is_not_let_in_is_asked_again(tmp_path: Path, provider: Provider) -> None:
    port = free_port()
    made = workspace(tmp_path / "w", provider, port)
    provider.refuse = True
    with serving(made.root, port) as address, browsing() as browser:
        page = browser.new_page()
        page.goto(address)
        button(page, "log in").click(timeout=60_000)
        for _ in range(600):
            if "/authorize" in provider.asked:
                break
            page.wait_for_timeout(100)
        page.wait_for_url(f"{address}/", timeout=60_000)
        button(page, "log in").wait_for(timeout=60_000)
        assert provider.asked[-1] == "/authorize"  # nothing was asked for without a code
        assert "Overview" not in page.inner_text("body")


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)
