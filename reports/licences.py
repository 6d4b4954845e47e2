"""What the licences of a base model and of data allow a tuned model to say of itself; no legal advice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from curation.licences import named

# Licences that a derivative keeps, by how the hub writes them: https://huggingface.co/docs/hub/repositories-licenses
_KEPT: Final = re.compile(r"llama[234](\.[0-9])?|gemma|deepfloyd-if-license|fair-noncommercial-research-license")
_LLAMA: Final = re.compile(
    r"(?:^|/|[-_])(?:meta[-_])?llama[-_ ]?(?P<version>2|3(?:[._][123])?|4)(?![0-9])", re.IGNORECASE
)
# Of no version that is known: DeepSeek-R1-Distill-Llama-8B, Llama-Guard-2-8B. Lower case alone is as often an animal.
_SOME_LLAMA: Final = re.compile(r"(?:^|/|[-_])(?:meta[-_])?Llama(?=[-_]|$)")
_NON_COMMERCIAL: Final = re.compile(
    r"(?:^|[-_ ])(?:nc|non-?commercial)(?:$|[-_ ])|noncommercial|\bno(?:t for)? commercial"
    r"|\bresearch(?: use| purposes)? only",
    re.IGNORECASE,
)
_SHARE_ALIKE: Final = re.compile(r"(?:^|[-_ ])(?:sa)(?:$|[-_ ])|^a?gpl", re.IGNORECASE)
NAMING: Final = re.compile(r"llama(3(\.[0-9])?|4)")
# What the hub takes for `license:`, beside `other`: https://huggingface.co/docs/hub/repositories-licenses
_HUB: Final = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown
"""


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


def _plain(licence: str) -> str:
    """As the hub writes it: mit of "MIT License", llama3.1 of "Llama 3.1"."""
    text = re.sub(r"[\s_]+", "-", licence.strip().lower())
    text = re.sub(r"(-community)?-licen[cs]e(-agreement)?$|-(only|or-later)$", "", text)
    return re.sub(r"^llama-(?=[234])", "llama", text)


def for_hub(licence: str | None) -> dict[str, Any]:
    """The keys of a card's head: `license`, and for what the hub has no word for `other` with a `license_name`."""
    if not licence:
        return {}
    plain = re.sub(r"[\s_]+", "-", licence.strip().lower())
    known = plain if plain in _HUB.split() else _plain(licence)
    if known in _HUB.split():
        return {"license": known}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.+-]+", "-", plain).strip("-") or "other"}


def conflicts(
    base: str,
    base_licence: str | None,
    data: Iterable[str],
    claimed: str | None,
    sources: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[str]:
    """One line each: what is claimed or stated, what stands against it, and what to do.

    `sources`: those of the data that are under a licence.
    """
    found = []
    known = llama_licence(base)
    if known and base_licence and not base_licence.lower().startswith("llama"):
        found.append(
            f'the base model\'s card says "{base_licence}", but {base} is by its name a Llama, under {known}; models '
            "made from it stay under that licence"
        )
    binding = known or (base_licence if base_licence and _KEPT.fullmatch(base_licence.lower()) else None)
    if claimed and binding and _plain(claimed) != binding.lower():
        found.append(
            f'the card claims "{claimed}", but the base is under {binding}, which its derivatives keep; claim that'
        )
    if not known and _SOME_LLAMA.search(base) and not _plain(claimed or base_licence or "").startswith("llama"):
        told = f'"{claimed or base_licence}" is' if claimed or base_licence else "its licence is not"
        found.append(
            f"{base} is by its name made from a Llama, whose licence its derivatives keep, and {told} said here; "
            "look up which Llama it was, and claim that licence"
        )
    found += against_data(data, claimed, sources)
    if base_licence and _non_commercial(base_licence) and claimed and not _non_commercial(claimed):
        found.append(f'the card claims "{claimed}", but the base is under {base_licence}: not for commercial use')
    return found


def against_data(
    data: Iterable[str], claimed: str | None, sources: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> list[str]:
    """Where the claim says more than the licences of the data allow."""
    found = []
    for licence in data:
        told = f"{licence} ({named(sources[licence])})" if sources.get(licence) else licence
        claims = f'the card claims "{claimed}"' if claimed else "the card claims no such limit"
        if _non_commercial(licence) and not _non_commercial(claimed):
            found.append(f"the data is under {told}: not for commercial use, but {claims}; say so, or leave it out")
        if _SHARE_ALIKE.search(licence) and claimed and claimed.lower() != licence.lower():
            found.append(f"the data is under {told} (share alike), the card {claims[9:]}; ask whether that may be")
    return found


def _non_commercial(licence: str | None) -> bool:
    return bool(licence and _NON_COMMERCIAL.search(licence))
