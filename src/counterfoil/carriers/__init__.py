"""Where a credential sits in a request: a cookie or a bearer header.

Headers are plain lists as in ASGI, `(name in lower case, value)` in bytes; no framework's types.
"""
