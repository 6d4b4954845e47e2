"""Versions as files: splits in the layouts trainers read, and the ledger of every input unit."""

from curation.export.ledger import export_ledger
from curation.export.manifest import ExportedFile, Manifest, check_export
from curation.export.splits import export, written_names

__all__ = ["ExportedFile", "Manifest", "check_export", "export", "export_ledger", "written_names"]
