"""Helpers that every member of the house shares; nothing here knows osquery."""
