"""SQL as text: its tokens, its statements, and the conditions that can reach a table."""
