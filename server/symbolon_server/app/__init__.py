"""Builds the running server out of its parts; nothing else constructs them."""
