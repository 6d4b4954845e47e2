"""What a converter raises for an object that its format cannot express."""

from __future__ import annotations


class FormatError(Exception):
    """`reason` is the short code of the ledger; `detail` says where, what, and what to do."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
