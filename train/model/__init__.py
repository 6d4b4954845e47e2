"""Models as training and evaluation both use them: loading, adapters, templates, and checks."""
