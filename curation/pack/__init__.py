"""A version in one file, for places without the store: `open_pack` reads it and needs neither store nor database."""

from curation.pack.reading import Pack, open_pack

__all__ = ["Pack", "open_pack"]
