"""Templates and tokens in a build, an export as text, and a pack; nothing is cut, and nothing is refused in silence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import curation
from app.cli import main
from curation.config_file import schema
from curation.errors import ConfigError, DataError
from curation.export import export
from curation.pack import open_pack
from curation.pipeline import BuildResult, build
from curation.recipe import TokensConfig, recipe_from
from curation.store import Store, open_store
from curation.templates import load_template
from curation.templates.chosen import choose_template, recipe_template
from curation.verify import verify
from curation.workspace import init_workspace

TEMPLATES = Path(__file__).resolve().parent / "fixtures" / "templates"
LONG = "word " * 60


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer's folder: a token for each word, with an end token."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    folder = tmp_path_factory.mktemp("words")
    words: Any = Tokenizer(WordLevel({"[UNK]": 0, "</s>": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = WhitespaceSplit()
    words.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    return folder


def rows() -> list[dict[str, Any]]:
    facts = ("the tower is old", "rain falls at noon", "a fox sleeps here", "ink dries on paper", "salt melts ice")
    said = [{"prompt": f"{fact}: tell me why number {n} matters", "completion": fact} for n, fact in enumerate(facts)]
    said.append({"prompt": "Write out something long, please", "completion": LONG.strip()})
    said.append({"prompt": "What does [INST] mean in a prompt?", "completion": "It opens an instruction."})
    return said


def built(root: Path, content: list[dict[str, Any]], **settings: Any) -> tuple[Store, BuildResult]:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    (root / "raw" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    workspace = init_workspace(root, [str(root / "raw")]) if not (root / "curate.yaml").exists() else None
    recipe = recipe_from({"sources": [{"path": "raw"}], **settings})
    from curation.workspace import open_workspace

    result = build(workspace or open_workspace(root.resolve()), recipe=recipe)
    return open_store(root / "store"), result


def test_long_rows_are_named_and_kept(tmp_path: Path, tokenizer: Path) -> None:
    store, result = built(tmp_path, rows(), template="llama2", tokens={"tokenizer": str(tokenizer), "context": 40})
    counts = store.table("latest", "tokens")
    assert counts.num_rows == 6, "one of seven is refused, the long one is there"
    long = max(counts.to_pylist(), key=lambda row: row["total"])
    # <s>; [INST] question [/INST]; the answer and its </s>
    assert (long["prompt_tokens"], long["answer_tokens"], long["total"]) == (1 + 2 + 5, 61, 69)
    told = result.version.stats["tokens"]
    assert (told["over_context"], told["longer"][0]["where"], told["longer"][0]["tokens"]) == (1, "raw/a.jsonl:6", 69)
    assert told["refused"] == {"contains_marker": 1}
    assert sum(result.report["rows"].values()) == 7
    notes = "\n".join(result.notes)
    assert "1 row over 40 tokens under llama2, and none was cut; longest raw/a.jsonl:6 with 69" in notes
    assert "1 row that template llama2 refuses (contains_marker 1); first raw/a.jsonl:7: message 1" in notes
    flags = store.table("latest", "flags").to_pylist()
    assert [(f["unit"], f["reason"]) for f in flags if f["stage"] == "tokens"] == [
        (5, "over_context"),
        (6, "template_refuses"),
    ]
    assert all(check.ok for check in verify(store, "latest"))


def test_a_template_is_no_part_of_the_id_unless_tokens_are_counted(tmp_path: Path, tokenizer: Path) -> None:
    _, plain = built(tmp_path, rows()[:5])
    _, named = built(tmp_path, rows()[:5], template="llama2")
    assert named.version.id == plain.version.id
    assert "v1 keeps the template it was built with" in "\n".join(named.notes)
    store, counted = built(tmp_path, rows()[:5], template="llama2", tokens={"tokenizer": str(tokenizer)})
    assert counted.new, "it stores what the first one does not have"
    assert store.table("latest", "tokens").num_rows == 5
    _, other = built(tmp_path, rows()[:5], template="chatml", tokens={"tokenizer": str(tokenizer)})
    assert other.new


def test_the_template_is_the_recipes_then_the_tokenizers_then_plain(tokenizer: Path, tmp_path: Path) -> None:
    tokens = TokensConfig(str(tokenizer))
    for name, expected in ((None, "plain"), ("chatml", "chatml")):
        chosen = recipe_template(name, tokens, tmp_path)
        assert chosen is not None
        assert chosen.template.name == expected
    own = tmp_path / "own"
    own.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (own / file).write_bytes((tokenizer / file).read_bytes())
    (own / "chat_template.jinja").write_bytes((TEMPLATES / "chatml.jinja").read_bytes())
    chosen = recipe_template(None, TokensConfig("own"), tmp_path)
    assert chosen is not None
    assert (chosen.name, chosen.template.end_of_turn) == ("own", "<|im_end|>")
    assert recipe_template(None, TokensConfig(), tmp_path) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "lama2"}, 'template "lama2" is neither built in nor a file or folder; did you mean "llama2"?'),
        ({"tokens": {"tokenizer": "nowhere"}}, "tokens.tokenizer: .*nowhere: no such file or folder"),
        ({"tokens": {"tokenizer": "raw"}}, "tokens.tokenizer: .*raw: no tokenizer here"),
        ({"template": "raw"}, "no chat template here; name a built-in template"),
        ({"tokens": {"context": 0}}, "tokens.context must be at least 1"),
    ],
)
def test_wrong_paths_are_one_line_before_anything_is_read(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        built(tmp_path, rows(), **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("container", ["jsonl", "parquet", "datasets"])
def test_text_of_every_container_reads_back(tmp_path: Path, container: str) -> None:
    store, result = built(tmp_path, rows()[:6], template="llama2")
    chosen = choose_template("llama2", tmp_path)
    manifest = export(store, "latest", tmp_path / "out", format="text", container=container, template=chosen)
    assert manifest.template == result.version.stats["template"] == {"name": "llama2", "sha256": chosen.sha256}
    Draft202012Validator(schema("manifest.schema.json")).validate(
        json.loads((tmp_path / "out/manifest.json").read_text())
    )
    texts = [row for file in manifest.files for row in read(tmp_path / "out" / file.path)]
    assert all(row.keys() == {"text"} and row["text"].startswith("<s>[INST] ") for row in texts)
    found = [[m["content"] for m in chosen.template.parse(row["text"])] for row in texts]
    assert sorted(found) == sorted([row["prompt"], row["completion"]] for row in rows()[:6])


def read(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return found
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_text_names_the_rows_that_a_template_refuses(tmp_path: Path) -> None:
    store, _ = built(tmp_path, rows())
    with pytest.raises(DataError) as caught:
        export(store, "v1", tmp_path / "out", format="text", template=choose_template("llama2", tmp_path))
    text = str(caught.value)
    assert text.startswith("export: 1 row cannot be written as text under llama2: contains_marker")
    assert "use another --template, drop or edit these rows by a patch, leave them out with --skip-refused, or" in text
    assert re.search(r"; first: \S+\.jsonl:\d+; nothing was written", text)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="text needs a template"):
        export(store, "v1", tmp_path / "out", format="text")


def test_refused_rows_are_left_out_where_one_says_so_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, _ = built(tmp_path, rows())
    here = ["-C", str(tmp_path)]
    assert main(["export", "--template", "llama2", *here]) == 3  # --template alone means text
    assert main(["export", "--template", "llama2", "--skip-refused", *here]) == 0
    assert "left out: 1 row that text cannot express" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "data/splits/manifest.json").read_text())
    assert (manifest["format"], sum(manifest["skipped"].values())) == ("text", 1)
    assert sum(file["rows"] for file in manifest["files"]) == len(store.table("v1", "members")) - 1
    assert main(["verify", *here]) == 0
    version = curation.open_store(tmp_path).version()
    assert version.export(tmp_path / "py", template="llama2", skip_refused=True).skipped == manifest["skipped"]


def test_export_and_pack_take_the_recipes_template_or_another(
    tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built(tmp_path, rows()[:6], template="guanaco", tokens={"tokenizer": str(tokenizer)}, export={"format": "text"})
    here = ["-C", str(tmp_path)]
    assert main(["export", *here]) == 0
    texts = [json.loads(line)["text"] for line in (tmp_path / "data/splits/train.jsonl").read_text().splitlines()]
    assert all(text.startswith("### Human: ") and text.endswith("</s>") for text in texts)
    assert main(["export", *here, "--template", "chatml", "--to", "other"]) == 0
    assert "<|im_start|>user" in (tmp_path / "other/train.jsonl").read_text()
    assert main(["export", *here, "--format", "alpaca", "--template", "chatml", "--to", "third"]) == 2
    assert "--template is for --format text" in capsys.readouterr().err
    assert main(["stats", *here]) == 0
    assert "tokens: median" in capsys.readouterr().out

    assert main(["pack", *here, "--to", "a.pack"]) == 0
    with open_pack(tmp_path / "a.pack") as pack:
        template = pack.template()
        assert template is not None
        assert (template.name, template.end_of_turn) == ("guanaco", "</s>")


def test_a_packed_jinja_template_is_the_same_without_its_folder(tmp_path: Path) -> None:
    built(tmp_path, rows()[:6])
    source = tmp_path / "chat.jinja"
    source.write_bytes((TEMPLATES / "qwen.jinja").read_bytes())
    here = ["-C", str(tmp_path)]
    assert main(["pack", *here, "--to", "a.pack", "--template", "chat.jinja"]) == 0
    record = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "meta": {}}
    expected = load_template(source).render(record).text
    source.unlink()
    with open_pack(tmp_path / "a.pack") as pack:
        template = pack.template()
        assert template is not None
        assert template.render(record).text == expected
        pack.manifest["template"]["sha256"] = "0" * 64  # as if written by other code
        with pytest.raises(DataError, match="renders otherwise than when it was packed"):
            pack.template()
    assert main(["pack", *here, "--to", "b.pack"]) == 0
    with open_pack(tmp_path / "b.pack") as pack:
        assert pack.template() is None
