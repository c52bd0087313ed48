"""The extension protocol on the wire: codec, messages, transports, server and client. Knows nothing above it."""
