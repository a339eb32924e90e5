"""Training and evaluation of instruction-following retrievers; nothing public yet."""
