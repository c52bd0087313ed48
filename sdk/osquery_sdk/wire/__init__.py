"""The extension protocol on the wire: codec, messages, transports, server and client.

Nothing here imports the rest of the SDK, save its errors and the rules for calling an author's code.
"""
