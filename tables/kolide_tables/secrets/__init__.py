"""Tables of keys, certificates and secrets in files; none shows a secret."""
