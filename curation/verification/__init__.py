"""The checks of `curate verify`. They share no code with the builder, so that a fault of one shows in the other."""
