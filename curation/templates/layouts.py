"""The built-in layouts, as data: what stands around each message."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from curation.templates.refusal import TemplateRefusal
from curation.templates.skeleton import Literals

_ORDER: Final = re.compile(r"s?(?:ua)*u?")


@dataclass(frozen=True, slots=True)
class Layout:
    """A template that is nothing but fixed text around contents.

    The generation prompt stands between the user's text and the answer; `lead` and `end` belong to the answer,
    for the model has to write them: in SentencePiece and byte-level BPE a space belongs to the word after it.
    """

    name: str
    markers: tuple[str, ...]
    user: tuple[str, str]
    prompt: str  # the generation prompt
    lead: str = ""
    end: str = ""  # "": the layout has no end-of-turn of its own, the tokenizer's eos must be given
    after: str = ""  # follows the end, not for the model to write
    between: str = ""  # between an answer and the next user text
    start: str = ""
    system: tuple[str, str] | None = None
    default_system: str = ""  # written where a record has no system text
    bos: str = ""

    def literals(self, roles: str, generate: bool) -> Literals:
        """What stands around the contents of a conversation; TemplateRefusal if these roles cannot be expressed."""
        self._refuse(roles, generate)
        literals: list[str] = []
        text = self.start
        if not roles.startswith("s") and self.default_system and self.system:
            text += self.system[0] + self.default_system + self.system[1]
        for i, role in enumerate(roles):
            before, after = self._around(role)
            if role == "u" and roles[i - 1 : i] == "a":
                before = self.between + before
            literals.append(text + before)
            text = after
        return (*literals, text + self.prompt if generate else text)

    def with_eos(self, eos: str) -> Layout:
        """The layout that closes each answer with `eos`; unchanged if it has an end of its own."""
        if self.end or not eos:
            return self
        return replace(self, end=eos, markers=(*self.markers, eos))

    def with_bos(self, bos: str) -> Layout:
        """The layout that begins with another token than its own, or with none."""
        between = self.between.replace(self.bos, bos) if self.bos else self.between
        return replace(self, bos=bos, between=between, markers=(*self.markers, bos) if bos else self.markers)

    def _around(self, role: str) -> tuple[str, str]:
        if role == "a":
            return self.prompt + self.lead, self.end + self.after
        return self.user if role == "u" else self.system or ("", "")

    def _refuse(self, roles: str, generate: bool) -> None:
        if "t" in roles:
            raise TemplateRefusal("tools_not_supported", f"{self.name} has no place for a tool's result")
        if roles.startswith("s") and self.system is None:
            raise TemplateRefusal("system_not_supported", f"{self.name} has no place for a system text")
        if not _ORDER.fullmatch(roles) or not roles.lstrip("s"):
            detail = f'roles "{roles}": {self.name} takes one system text first, then user and assistant in turn'
            raise TemplateRefusal("role_order", detail)
        if generate and not roles.endswith("u"):
            raise TemplateRefusal("role_order", "a generation prompt follows a user's text only")


_PREAMBLE: Final = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request."
)

LAYOUTS: Final = {
    layout.name: layout
    for layout in (
        # As Llama 2 was trained: every pair of turns is a sequence of its own, so <s> stands before each.
        Layout(
            name="llama2",
            bos="<s>",
            markers=("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>"),
            start="[INST] ",
            system=("<<SYS>>\n", "\n<</SYS>>\n\n"),
            user=("", " [/INST]"),
            prompt="",
            lead=" ",
            end=" </s>",
            between="<s>[INST] ",
        ),
        Layout(
            name="llama3",
            bos="<|begin_of_text|>",
            markers=(
                *("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
                *("<|eot_id|>", "<|eom_id|>", "<|python_tag|>", "<|finetune_right_pad_id|>"),
            ),
            system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
            user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
            prompt="<|start_header_id|>assistant<|end_header_id|>\n\n",
            end="<|eot_id|>",
        ),
        Layout(
            name="chatml",
            markers=("<|im_start|>", "<|im_end|>"),
            system=("<|im_start|>system\n", "<|im_end|>\n"),
            user=("<|im_start|>user\n", "<|im_end|>\n"),
            prompt="<|im_start|>assistant\n",
            end="<|im_end|>",
            after="\n",
        ),
        # A system text takes the place of the preamble; later turns repeat the headings.
        Layout(
            name="alpaca",
            markers=("### Instruction:", "### Input:", "### Response:"),
            system=("", "\n\n"),
            default_system=_PREAMBLE,
            user=("### Instruction:\n", "\n\n"),
            prompt="### Response:\n",
            between="\n\n",
        ),
        # On one line, as published: a space before each later heading.
        Layout(
            name="guanaco",
            markers=("### Human:", "### Assistant:"),
            user=("### Human: ", ""),
            prompt=" ### Assistant:",
            lead=" ",
            between=" ",
            system=("", " "),
        ),
        Layout(
            name="plain",
            markers=("\n\nSystem:", "\n\nUser:", "\n\nAssistant:"),
            system=("System: ", "\n\n"),
            user=("User: ", ""),
            prompt="\n\nAssistant:",
            lead=" ",
            between="\n\n",
        ),
    )
}
