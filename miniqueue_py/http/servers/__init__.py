"""Hypercorn, and what a broker needs of it that it does not do by itself."""
