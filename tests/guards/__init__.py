"""Guards: what stands before views and around answers."""
