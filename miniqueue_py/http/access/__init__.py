"""Who asks, and what they may: no other room knows it.

Without any way to tell clients apart nothing of this is made, and no request is looked at.
"""
