"""HTTP/2 as bytes and calls: no socket, no task, and blind to role.

`codec.py` says what a codec does, `choose.py` which one does it here.
"""
