"""What every page takes and gives, but for the duplex ones: data, in OpenAPI's words.

Its limits are those of the code. A test sends what it allows and what it
forbids, and holds the answers to it.
"""
