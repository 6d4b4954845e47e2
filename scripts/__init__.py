"""Programs for those who work on Curate itself."""
