"""What the licences of a base model and of data allow a tuned model to say of itself; no legal advice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# Licences that a derivative keeps, by how the hub writes them: https://huggingface.co/docs/hub/repositories-licenses
_KEPT: Final = re.compile(r"llama[234](\.[0-9])?|gemma|deepfloyd-if-license|fair-noncommercial-research-license")
_LLAMA: Final = re.compile(
    r"(?:^|/|[-_])(?:meta[-_])?llama[-_ ]?(?P<version>2|3(?:[._][123])?|4)(?![0-9])", re.IGNORECASE
)
_NON_COMMERCIAL: Final = re.compile(r"(?:^|[-_ ])(?:nc|non-?commercial)(?:$|[-_ ])|noncommercial", re.IGNORECASE)
_SHARE_ALIKE: Final = re.compile(r"(?:^|[-_ ])(?:sa)(?:$|[-_ ])|^a?gpl", re.IGNORECASE)
NAMING: Final = re.compile(r"llama(3(\.[0-9])?|4)")


def llama_licence(base: str) -> str | None:
    """`llama3.1` for a name such as unsloth/Meta-Llama-3.1-8B-bnb-4bit; None for models that are not Meta's.

    TinyLlama or open_llama have weights of their own: their names do not match.
    """
    if re.search(r"open_?llama|tinyllama", base, re.IGNORECASE):
        return None
    if re.search(r"(?:^|/|[-_])code-?llama", base, re.IGNORECASE):
        return "llama2"
    found = _LLAMA.search(base)
    return f"llama{found['version'].replace('_', '.')}" if found else None


def own_licence(base: str, base_licence: str | None, claimed: str | None) -> str | None:
    """What a card says: the claim, else what the base's licence says of models made from it; None where unknown."""
    if claimed:
        return claimed
    told = llama_licence(base) or base_licence
    return told if told and (_KEPT.fullmatch(told) or _NON_COMMERCIAL.search(told)) else None


def conflicts(base: str, base_licence: str | None, data: Iterable[str], claimed: str | None) -> list[str]:
    """One line each: what is claimed or stated, what stands against it, and what to do."""
    found = []
    known = llama_licence(base)
    if known and base_licence and not base_licence.lower().startswith("llama"):
        found.append(
            f'the base model\'s card says "{base_licence}", but {base} is by its name a Llama, under {known}; models '
            "made from it stay under that licence"
        )
    binding = known or (base_licence if base_licence and _KEPT.fullmatch(base_licence.lower()) else None)
    if claimed and binding and claimed.lower() != binding:
        found.append(
            f'the card claims "{claimed}", but the base is under {binding}, which its derivatives keep; claim that'
        )
    found += [
        _of_data(licence, claimed) for licence in data if _non_commercial(licence) and not _non_commercial(claimed)
    ]
    if base_licence and _non_commercial(base_licence) and claimed and not _non_commercial(claimed):
        found.append(f'the card claims "{claimed}", but the base is under {base_licence}: not for commercial use')
    for licence in data:
        if _SHARE_ALIKE.search(licence) and claimed and claimed.lower() != licence.lower():
            found.append(
                f'the data is under {licence} (share alike), the card claims "{claimed}"; ask whether that may be'
            )
    return found


def _of_data(licence: str, claimed: str | None) -> str:
    says = f'the card claims "{claimed}"' if claimed else "the card claims no such limit"
    return f"the data is under {licence}: not for commercial use, but {says}; say so, or train without that data"


def _non_commercial(licence: str | None) -> bool:
    return bool(licence and _NON_COMMERCIAL.search(licence))
