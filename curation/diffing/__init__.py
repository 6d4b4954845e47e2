"""What differs between two versions: which rows, why, how much text, and how an edited row reads now."""
