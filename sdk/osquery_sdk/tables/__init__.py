"""Tables in typed Python: rows and columns, the function that makes them, and what one request asks."""
