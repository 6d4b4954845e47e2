"""Chat templates: records into the text a model is trained on, and back."""

from curation.templates.bulk import RenderedTable, render_lines, render_table
from curation.templates.hashing import template_hash, tokenizer_hash
from curation.templates.layouts import LAYOUTS
from curation.templates.load import load_template
from curation.templates.refusal import REASONS, TemplateRefusal
from curation.templates.template import Rendered, Span, Template

__all__ = [
    "LAYOUTS",
    "REASONS",
    "Rendered",
    "RenderedTable",
    "Span",
    "Template",
    "TemplateRefusal",
    "load_template",
    "render_lines",
    "render_table",
    "template_hash",
    "tokenizer_hash",
]
