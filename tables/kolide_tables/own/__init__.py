"""Tables about the extension itself, and of notes that people write."""
