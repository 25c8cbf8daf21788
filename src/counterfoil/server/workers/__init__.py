"""Several processes that serve as one: how they are started, watched and stopped."""
