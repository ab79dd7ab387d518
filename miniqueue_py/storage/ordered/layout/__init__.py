"""How the records of a queue are laid out: their keys, and what is in them."""
