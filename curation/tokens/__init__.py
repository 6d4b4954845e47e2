"""How many tokens rows are, under a template and with a tokenizer."""

from curation.tokens.load import TextTokenizer, load_tokenizer
from curation.tokens.stats import TokenStats, token_stats

__all__ = ["TextTokenizer", "TokenStats", "load_tokenizer", "token_stats"]
