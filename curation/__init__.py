"""From raw rows to versioned, leak-free splits, with a verdict for every row."""
