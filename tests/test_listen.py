"""The server of the dashboard: answers at once, one clear line where it cannot listen, and scripts fetched ahead."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.cli import main
from app.dashboard import listen
from app.dashboard.listen import listening
from curation.workspace import init_workspace

pytest.importorskip("streamlit")
ROOT = Path(__file__).resolve().parent.parent


def test_small_answers_wait_for_no_acknowledgement() -> None:
    async def accepted(at: socket.socket) -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            told = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            found.set_result(told)

        async with await asyncio.start_server(answer, sock=at):
            _, writer = await asyncio.open_connection(*at.getsockname()[:2])
            switched = await found
            writer.close()
        return switched

    with listening("127.0.0.1", 0) as at:
        assert asyncio.run(accepted(at))


def test_nothing_is_told_to_anybody_and_no_file_changes_that(tmp_path: Path) -> None:
    here = init_workspace(tmp_path / "w")
    (here.root / ".streamlit").mkdir()
    asked = "[browser]\ngatherUsageStats = true\n[client]\ntoolbarMode = 'developer'\n[server]\nmaxMessageSize = 77\n"
    (here.root / ".streamlit" / "config.toml").write_text(asked)
    code = (
        "from pathlib import Path\nfrom app.dashboard.listen import listening, settle\n"
        f"settle(listening('127.0.0.1', 0), Path({str(here.root)!r}))\nimport app.dashboard.serve, streamlit as st\n"
        "names = 'browser.gatherUsageStats client.toolbarMode client.showErrorDetails server.maxMessageSize'.split()\n"
        "print([st.get_option(name) for name in names])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[False, 'minimal', 'none', 77]"


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", None), ("127.0.0.1", 70000), ("no such host.", 0)])
def test_where_nobody_can_listen_one_line_says_so(
    address: str, port: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "serve", lambda at, workspace: pytest.fail("it listens"))
    here = init_workspace(tmp_path / "w")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asked = taken.getsockname()[1] if port is None else port
        words = ["-C", str(here.root), "app", "--address", address, "--port", str(asked), "--no-browser"]
        assert main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "--port" in told or "--address" in told


CERTIFICATE = "/CN=localhost -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"


def configured(root: Path, text: str, name: str = "config.toml") -> Path:
    here = init_workspace(root / "w")
    (here.root / ".streamlit").mkdir()
    (here.root / ".streamlit" / name).write_text(text)
    return here.root


def free_port() -> str:
    with listening("127.0.0.1", 0) as free:
        return str(free.getsockname()[1])


def asked_for_a_page(root: Path) -> subprocess.CompletedProcess[str]:
    """`curate app`, in a process of its own: Streamlit's configuration is one for a process."""
    words = [sys.executable, "-m", "app.cli", "-C", str(root), "app", "--port", free_port(), "--no-browser"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server\n", "cannot be read"),
        ("[server]\nsslCertFile = 'a.pem'\n", "only one of them is set"),
        ("[server]\nsslCertFile = 'a.pem'\nsslKeyFile = 'b.pem'\n", "No such file"),
    ],
)
def test_a_configuration_that_cannot_hold_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    done = asked_for_a_page(configured(tmp_path, text))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "config.toml: " in done.stderr
    assert said in done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")
def test_the_address_that_is_told_is_the_one_that_answers(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-nodes", "-keyout", str(key), "-out", str(certificate), "-subj"]
    subprocess.run([*words, *CERTIFICATE.split()], check=True, capture_output=True)
    root = configured(
        tmp_path, f"[server]\nbaseUrlPath = 'desk'\nsslCertFile = '{certificate}'\nsslKeyFile = '{key}'\n"
    )
    words = [sys.executable, "-m", "app.cli", "-C", str(root), "app", "--port", free_port(), "--no-browser"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[0]
        assert address.startswith("https://127.0.0.1:")
        assert address.endswith("/desk")
        with urlopen(f"{address}/_stcore/health", timeout=60, context=ssl._create_unverified_context()) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


LOGIN = "[auth]\nredirect_uri = 'http://localhost/oauth2callback'\ncookie_secret = 'x'\n"
ONE = "client_id = 'a'\nclient_secret = 'b'\nserver_metadata_url = 'http://localhost/.well-known'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[auth\n", "cannot be read"),
        ("auth = 1\n", "auth is no section"),
        ("[auth]\n" + ONE, "[auth] lacks redirect_uri, cookie_secret"),
        (LOGIN, "[auth] lacks client_id, client_secret, server_metadata_url"),
        (LOGIN + "[auth.ours]\nclient_id = 'a'\n", "[auth] lacks ours.client_secret, ours.server_metadata_url"),
        (LOGIN + ONE, 'authlib is not installed; pip install --upgrade "curate[login]"'),
    ],
)
def test_a_login_that_nobody_could_pass_is_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "serve", lambda at, workspace: pytest.fail("it listens"))
    monkeypatch.setitem(sys.modules, "authlib", None)
    root = configured(tmp_path, text, "secrets.toml")
    assert main(["-C", str(root), "app", "--port", free_port(), "--no-browser"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{root / '.streamlit' / 'secrets.toml'}" in told
    assert said in told


def test_a_login_library_that_lacks_a_part_is_said_before_the_click(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tmp_path / "old" / "authlib" / "integrations" / "starlette_client.py"
    client.parent.mkdir(parents=True)
    client.write_text("import httpx_of_before\n")
    for folder in (client.parent, client.parent.parent):
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "old")
    monkeypatch.setattr(listen, "serve", lambda at, workspace: pytest.fail("it listens"))
    known = [name for name in sys.modules if name.partition(".")[0] == "authlib"]
    for name in {*known, "authlib", "authlib.integrations", "authlib.integrations.starlette_client"}:
        monkeypatch.setitem(sys.modules, name, None)  # so that it is as before afterwards
        monkeypatch.delitem(sys.modules, name)
    root = configured(tmp_path, LOGIN + ONE, "secrets.toml")
    assert main(["-C", str(root), "app", "--port", free_port(), "--no-browser"]) == 2
    assert "asks for a login, and httpx_of_before is not installed" in capsys.readouterr().err


def test_a_browser_is_opened_at_a_terminal_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = init_workspace(tmp_path / "w")
    opened: list[str] = []
    served: list[Path] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(listen, "serve", lambda at, workspace: served.append(workspace))
    for terminal, more in ((False, []), (True, ["--no-browser"]), (True, [])):
        monkeypatch.setattr(sys, "stdout", _Stream(terminal))
        with listening("127.0.0.1", 0) as free:
            port = str(free.getsockname()[1])
        assert main(["-C", str(here.root), "app", "--port", port, *more]) == 0
    assert served == [here.root] * 3
    assert [address.rpartition(":")[0] for address in opened] == ["http://127.0.0.1"]


class _Stream:
    encoding = "utf-8"

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def test_the_page_names_the_scripts_of_its_widgets_once(tmp_path: Path) -> None:
    from app.dashboard.ahead import hints, with_hints

    links = hints().decode()
    for name in ("DataFrame", "Selectbox", "TextInput", "NumberInput", "DownloadButton"):
        assert links.count(f"/{name}.") == 1
    assert "react-dom" not in links  # the page asks for it itself
    assert with_hints(b"<head></head><p></head>", links.encode()) == f"<head>{links}</head><p></head>".encode()
    assert hints(tmp_path) == b""  # a Streamlit that is laid out otherwise
    (tmp_path / "manifest.json").write_text('{"index.html": {"file": "a.js", "imports": ["gone"]}}')
    assert hints(tmp_path) == b""
