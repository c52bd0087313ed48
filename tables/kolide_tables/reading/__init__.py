"""Readers that several families of tables share: homes, /proc, lock files, unit files, DER."""
