"""Attacks on a broker, and what they leave of its lawful clients' share."""
