"""Text read with the wrong decoder: "Ã©" for "é", "â€™" for an apostrophe, "ÅŸ" for "ş", "Ð¡" for "С"."""
# ruff: noqa: RUF001, RUF002, RUF003 -- it is about characters that look alike

from __future__ import annotations

import re
from typing import Final

from curation.stages.filters.answers import Answers, Found, rows_where
from curation.stages.filters.config import MaxRule
from curation.stages.filters.scan import GARBLED, PROMPT_GARBLED

# The second half of a pair is a byte 0x80-0xBF shown as Latin-1 or as cp1252 shows it.
_CP1252: Final = {c: b for b in range(0x80, 0xA0) if (c := bytes([b]).decode("cp1252", "ignore"))}
_NEXT: Final = "[\\x80-\\xbf" + "".join(_CP1252) + "]"
_PAIR: Final = re.compile(f"[Â-ß]{_NEXT}|[à-ï]{_NEXT}{{2}}|[ð-ô]{_NEXT}{{3}}")
# UTF-8 Cyrillic as cp1251 shows it: Р or С, then a character that no Russian word has there; three in a row.
_CYRILLIC: Final = re.compile(
    "(?:[РС][\u0402-\u040f\u0450-\u045f\u0490\u0491\xa0-\xbf–—…†‡‰‹›‘’“”•™€№]|[РС][А-Яа-я](?=[РС][^\\sА-Яа-я])){3,}"
)
# What GBK makes of U+FFFD, and a decoder's own signs of failure.
_LOST: Final = re.compile("锟斤拷|[锟斤拷]{3,}|ï¿½|[\x80-\x84\x86-\x9f\ufffd]")


def mojibake(answers: Answers, rule: MaxRule) -> Found:
    """Reason mojibake; the value is the share of garbled characters in the answer or the prompt, the greater one."""
    suspects = rows_where((answers.count(GARBLED) > 0) | (answers.count(PROMPT_GARBLED) > 0))
    texts = zip(answers.answers(suspects), answers.prompts(suspects), strict=True)
    values = [max(garbled_share(answer), garbled_share(prompt)) for answer, prompt in texts]
    found = [(row, value) for row, value in zip(suspects, values, strict=True) if value > rule.max]
    return Found("mojibake", [row for row, _ in found], [value for _, value in found], rule.max)


def garbled_share(text: str) -> float:
    """Share of characters that belong to sequences which decode to a letter or sign when read as UTF-8."""
    garbled = sum(len(m.group()) for m in _PAIR.finditer(text) if _decodes_to_text(m.group()))
    garbled += sum(len(m.group()) for pattern in (_CYRILLIC, _LOST) for m in pattern.finditer(text))
    return garbled / len(text) if text else 0.0


def _decodes_to_text(pair: str) -> bool:
    raw = bytes(_CP1252.get(c) or ord(c) for c in pair)
    try:
        code = ord(raw.decode())
    except UnicodeDecodeError:
        return False
    return any(first <= code <= last for first, last in _LIKELY)


# Blocks that real texts use. Left out are those an honest pair such as the end of a quotation („MENÜ“) would give.
_LIKELY: Final = (
    (0xA0, 0x17F),
    (0x218, 0x21B),
    (0x391, 0x3CE),
    (0x401, 0x45F),
    (0x5D0, 0x5EA),
    (0x621, 0x64A),
    (0x900, 0x97F),
    (0xE01, 0xE5B),
    (0x1E00, 0x1EFF),
    (0x2010, 0x206F),
    (0x20A0, 0x20BF),
    (0x2100, 0x27BF),
    (0x3000, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xFEFF, 0xFEFF),
    (0xFF01, 0xFF65),
    (0x1F300, 0x1FAFF),
)
