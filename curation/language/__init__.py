"""Which language a text is in, or that it cannot be told."""
