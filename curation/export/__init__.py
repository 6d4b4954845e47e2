"""Versions as files: splits in the layouts trainers read, and the ledger of every input unit."""

from curation.export.ledger import export_ledger, is_ledger
from curation.export.manifest import ExportedFile, Manifest, check_export
from curation.export.splits import export, written_names
from curation.export.target import refuse_file, refuse_folder

__all__ = [
    "ExportedFile",
    "Manifest",
    "check_export",
    "export",
    "export_ledger",
    "is_ledger",
    "refuse_file",
    "refuse_folder",
    "written_names",
]
