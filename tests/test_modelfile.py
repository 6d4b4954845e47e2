"""What Ollama gets: a Modelfile whose Go template makes the prompts of the training, for every built-in layout."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.templates.as_go import as_go, fixed_texts, modelfile
from curation.templates.hashing import PROBES
from curation.templates.layouts import LAYOUTS
from curation.templates.load import load_template
from curation.templates.refusal import TemplateRefusal
from curation.templates.template import Template

# As Ollama runs one: Go's own text/template over the messages.
_RENDER = """\
package main

import (
	"encoding/json"
	"os"
	"text/template"
)

type Message struct{ Role, Content string }
type Case struct {
	Template string
	Messages []Message
}

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	for _, one := range cases {
		made := template.Must(template.New("").Parse(one.Template))
		if err := made.Execute(os.Stdout, one); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("\\x00")
	}
}
"""


def hostile(name: str) -> Template:
    """Texts that could break out of Go's string constants, or out of the Modelfile's."""
    return Template(LAYOUTS[name].with_eos('<"e">').with_bos("<b>\\n`"))


def asked(template: Template) -> Iterator[tuple[list[Any], str]]:
    for probe in PROBES:
        messages = probe["messages"][: -1 if probe["messages"][-1]["role"] == "assistant" else None]
        try:
            wanted = template.render({"messages": messages}, add_generation_prompt=True).text
        except TemplateRefusal:
            continue
        yield messages, wanted


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go, in whose language the template is")
def test_go_makes_the_prompts_of_the_training(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(_RENDER)
    cases, wanted = [], []
    for name in LAYOUTS:
        template = hostile(name)
        for messages, prompt in asked(template):
            cases.append({"Template": as_go(template), "Messages": messages})
            wanted.append(prompt)
    env = {"HOME": str(tmp_path), "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod", "PATH": "/usr/bin:/bin"}
    go = str(shutil.which("go"))
    found = subprocess.run(
        [go, "run", "main.go"], input=json.dumps(cases).encode(), capture_output=True, cwd=tmp_path, env=env, check=True
    )
    assert found.stdout.decode().split("\0")[:-1] == wanted
    assert len(wanted) > 40


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_fixed_texts_and_its_template_ends_no_modelfile_early(name: str) -> None:
    template = hostile(name)
    assert fixed_texts(template)
    assert '"""' not in as_go(template)


def test_a_template_that_does_more_gets_no_modelfile(tmp_path: Path) -> None:
    code = (
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% if m.role == 'assistant' %}{{ eos_token }}"
        "{% elif messages|length > 3 %}!{% endif %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    (tmp_path / "chat.jinja").write_text(code)
    assert not fixed_texts(load_template(tmp_path / "chat.jinja", bos=None, eos="</s>"))


def test_a_modelfile_samples_nothing_and_knows_where_an_answer_ends() -> None:
    template = Template(LAYOUTS["chatml"])
    assert modelfile(template, "model.gguf", ["<|im_end|>"], "Be brief.", 1024) == (
        'FROM ./model.gguf\nTEMPLATE """{{- $before := "" }}\n'
        "{{- range .Messages }}\n"
        '{{- if eq .Role "system" }}{{ "<|im_start|>system\\n" }}{{ .Content }}'
        '{{ "<|im_end|>\\n<|im_start|>user\\n" }}\n'
        '{{- else if eq .Role "user" }}\n'
        '{{- if eq $before "assistant" }}{{ "<|im_end|>\\n<|im_start|>user\\n" }}{{ else if eq $before "" }}'
        '{{ "<|im_start|>user\\n" }}{{ end }}{{ .Content }}\n'
        '{{- else if eq .Role "assistant" }}{{ "<|im_end|>\\n<|im_start|>assistant\\n" }}{{ .Content }}\n'
        "{{- end }}\n"
        "{{- $before = .Role }}\n"
        "{{- end }}\n"
        '{{- if eq $before "user" }}{{ "<|im_end|>\\n<|im_start|>assistant\\n" }}{{ end }}"""\n'
        'SYSTEM """Be brief."""\n'
        'PARAMETER stop "<|im_end|>"\n'
        "PARAMETER temperature 0\n"
        "PARAMETER repeat_penalty 1\n"
        "PARAMETER num_ctx 1024\n"
    )
