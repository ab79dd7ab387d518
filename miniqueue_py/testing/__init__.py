"""Fakes and suites for tests; the program itself never imports them."""
