"""The recipes and trainings of configs/: each one loads, starts a workspace, and gives what its first line says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from app.cli import main
from curation.errors import ConfigError
from curation.recipe import load_recipe
from curation.store import open_store
from curation.templates import load_template
from curation.workspace import init_workspace
from eval.suite import load_suite
from tests.shared_data import shared
from train.config import load_training_config

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
ALL = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.y*ml"))
TRAININGS = [name for name in ALL if "base_model" in yaml.safe_load((CONFIGS / name).read_text())]
SUITES = [name for name in ALL if name.startswith("suites/")]  # tests/test_eval_items.py loads them
# tests/test_variants.py loads them
VARIANTS = [name for name in ALL if "factors" in yaml.safe_load((CONFIGS / name).read_text())]
LAUNCHES = [name for name in ALL if "distributed_type" in yaml.safe_load((CONFIGS / name).read_text())]
FOUND = [name for name in ALL if name not in (*TRAININGS, *SUITES, *VARIANTS, *LAUNCHES)]

# Sixteen facts of our own, each with its system prompt; some typed with the cedilla letters of old keyboards.
ROMANIAN = [
    ("Care este cel mai lung râu care curge numai pe teritoriul României?", "Mureşul este cel mai lung dintre ele."),
    ("De ce se schimbă culoarea frunzelor toamna?", "Frunzele pierd clorofila și rămân vizibile ceilalți pigmenți."),
    ("Cum se face o mămăligă bună?", "Se fierbe apa cu sare, apoi se adaugă mălaiul puțin câte puțin."),
    (
        "Ce trebuie să fac dacă mi-am pierdut buletinul?",
        "Anunţaţi poliţia şi cereţi un act nou la evidenţa populaţiei.",
    ),
    ("La ce folosește un termostat în casă?", "El menține temperatura dorită și oprește încălzirea când e destul."),
    ("Cine a scris poezia Luceafărul?", "Poezia a fost scrisă de Mihai Eminescu și publicată la Viena."),
    ("Cum pot învăța mai repede cuvinte noi?", "Repetați-le la intervale tot mai mari și folosiți-le în propoziții."),
    ("Ce este un împrumut ipotecar?", "Este un credit pentru care locuinţa cumpărată serveşte drept garanţie."),
    ("De unde vine numele orașului București?", "Legenda spune că vine de la un cioban pe nume Bucur."),
    ("Cât timp se fierb ouăle tari?", "Aproximativ zece minute din clipa în care apa începe să clocotească."),
    ("Ce plante rezistă bine la umbră?", "Ferigile și iedera cresc frumos și acolo unde soarele ajunge rar."),
    ("Cum funcționează o pompă de căldură?", "Ia căldura din aerul de afară și o aduce înăuntru cu ajutorul unui gaz."),
    ("Care sunt vecinii Republicii Moldova?", "Republica Moldova se învecinează doar cu România și cu Ucraina."),
    ("Ce înseamnă un contract pe perioadă nedeterminată?", "Înseamnă că nu are o dată la care încetează de la sine."),
    ("Cum se curăță o pată de vin roșu?", "Presărați imediat sare, apoi spălați țesătura cu apă rece."),
    ("De ce plutește gheața pe apă?", "Prin înghețare apa își mărește volumul, așa că gheața este mai ușoară."),
]


@pytest.mark.parametrize("name", FOUND)
def test_each_config_loads(name: str) -> None:
    recipe = load_recipe(CONFIGS / name)
    assert recipe.sources
    if recipe.template:
        load_template(recipe.template)


@pytest.mark.parametrize("name", TRAININGS)
def test_each_training_config_loads(name: str) -> None:
    assert load_training_config(CONFIGS / name).base_model


def test_the_sample_brings_a_training_and_suites_that_load(tmp_path: Path) -> None:
    assert main(["demo", str(tmp_path / "demo")]) == 0
    root = tmp_path / "demo"
    config = load_training_config(root / "configs" / "training.yaml")
    assert (root / config.base_model / "model.safetensors").is_file()
    suites = [load_suite(name, root) for name in ("default", "exam", "look")]
    assert [suite.split for suite in suites] == ["validation", "test", "validation"]
    assert all((root / str(choice.file)).is_file() for suite in suites for choice in suite.benchmarks)
    assert sorted(path.name for path in (root / "suites").iterdir()) == ["default.yaml", "exam.yaml", "look.yaml"]


@pytest.mark.parametrize("name", LAUNCHES)
def test_accelerate_knows_each_key_of_a_launch(name: str) -> None:
    """It takes unknown keys without a word; those of FSDP are arguments of its launch command."""
    commands = pytest.importorskip("accelerate.commands.launch")
    settings = yaml.safe_load((CONFIGS / name).read_text())
    from accelerate.commands.config.config_args import load_config_from_file

    assert load_config_from_file(str(CONFIGS / name)).fsdp_config == settings["fsdp_config"]
    args = commands.launch_command_parser().parse_args(["--config_file", str(CONFIGS / name), "x.py"])
    assert [key for key in settings["fsdp_config"] if not hasattr(args, key)] == []
    _, config, _ = commands._validate_launch_command(args)
    assert config is not None
    given = commands.prepare_multi_gpu_env(args)
    assert given["ACCELERATE_USE_FSDP"] == "true"  # by which train.model.load knows


def test_the_promised_configs_are_there() -> None:
    assert LAUNCHES == ["fsdp-qlora.yaml"]
    assert {"training.yaml", "llama2-7b-t4-16gb.yaml", "llama31-8b-24gb.yaml"} <= set(TRAININGS)
    assert {"guanaco-llama2-1k.yaml", "romanian-14-2.yaml", "company-qa.yaml"} <= set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_a_workspace_starts_from_a_config_with_sources_of_its_own(tmp_path: Path, name: str) -> None:
    before = yaml.safe_load((CONFIGS / name).read_text())
    place = init_workspace(tmp_path / "w", [str(tmp_path / "b.jsonl"), str(tmp_path / "w" / "a.jsonl")], CONFIGS / name)
    after = yaml.safe_load(place.recipe_path.read_text())
    kept = {key: value for key, value in before["sources"][0].items() if key != "path"}
    paths = [str(tmp_path / "b.jsonl"), "a.jsonl"]
    assert after == {**before, "sources": [{"path": path, **kept} for path in paths]}
    comments = [line for line in (CONFIGS / name).read_text().splitlines() if line.startswith("#")]
    assert [line for line in place.recipe_path.read_text().splitlines() if line.startswith("#")] == comments
    load_recipe(place.recipe_path)


def test_without_sources_a_config_is_copied_as_it_is(tmp_path: Path) -> None:
    place = init_workspace(tmp_path, (), CONFIGS / "company-qa.yaml")
    assert place.recipe_path.read_bytes() == (CONFIGS / "company-qa.yaml").read_bytes()


def test_no_workspace_is_made_from_a_recipe_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("sources: [{path: a}]\nsplits: {}\n")
    with pytest.raises(ConfigError, match=r"bad.yaml:2: splits is not a known key; did you mean .split.\?"):
        init_workspace(tmp_path / "w", (), tmp_path / "bad.yaml")
    assert not (tmp_path / "w").exists()


def test_a_recipe_from_elsewhere_reads_from_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "r.yaml").write_text("sources: [{path: raw}]\ntemplate: t.jinja\n")
    place = init_workspace(tmp_path / "w")
    (place.root / "raw").mkdir()
    (place.root / "raw" / "a.jsonl").write_text('{"prompt": "Why is it so?", "completion": "It is so."}\n' * 2)
    (place.root / "t.jinja").write_text(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    assert main(["build", "-C", str(place.root), "--recipe", "../elsewhere/r.yaml"]) == 0
    assert open_store(place.store_path).resolve("latest").stats["template"]["name"] == "t.jinja"


def test_romanian_rows_make_14_and_2(tmp_path: Path) -> None:
    raw = tmp_path / "ro.jsonl"
    system = {"role": "system", "content": "Răspunde pe scurt, în limba română."}
    rows = [
        {"messages": [system, {"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in ROMANIAN
    ]
    english = [{"role": "user", "content": "Why does ice float on the water of a lake in winter?"}]
    english.append({"role": "assistant", "content": "Because water grows lighter when it freezes into ice."})
    lines = [*rows, {"messages": english}]
    raw.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in lines))
    here = str(tmp_path / "ro")
    config = str(CONFIGS / "romanian-14-2.yaml")
    assert main(["init", here, "--recipe", config, "--source", str(raw)]) == 0
    assert main(["build", "-C", here]) == 0
    assert main(["export", "-C", here, "--format", "text"]) == 0
    texts = {name: (tmp_path / f"ro/data/splits/{name}.jsonl").read_text() for name in ("train", "validation", "test")}
    assert [len(texts[name].splitlines()) for name in texts] == [14, 0, 2]
    together = "".join(texts.values())
    assert together.count("<|im_start|>system\\nRăspunde pe scurt") == 16
    assert "Mureșul" in together
    assert not set("şţŞŢ") & set(together)


@pytest.mark.slow
def test_guanaco_gives_1000_rows_with_no_turn_cut_apart(tmp_path: Path) -> None:
    names = ("qlora_oa/oasst_guanaco_text.jsonl.gz", "chinkara/chinkara-open_qa.jsonl.gz")
    sources = [part for name in names for part in ("--source", str(shared(name)))]
    here = str(tmp_path / "guanaco")
    assert main(["init", here, "--recipe", str(CONFIGS / "guanaco-llama2-1k.yaml"), *sources]) == 0
    assert main(["build", "-C", here]) == 0
    assert main(["export", "-C", here]) == 0
    assert main(["export", "-C", here, "--format", "messages", "--to", "messages"]) == 0
    llama2 = load_template("llama2")
    seen = 0
    for split in ("train", "validation", "test"):
        texts = (Path(here) / f"data/splits/{split}.jsonl").read_text().splitlines()
        records = (Path(here) / f"messages/{split}.jsonl").read_text().splitlines()
        for text, record in zip(texts, records, strict=True):
            messages = json.loads(record)["messages"]
            assert llama2.parse(json.loads(text)["text"]) == messages
            assert not any(
                mark in m["content"] for m in messages for mark in ("### Human:", "### Assistant:", "[INST]")
            )
            seen += 1
    assert seen == 1000
