"""One SQLite database with osqueryd's settings: extension tables in, rows out as osqueryd renders them."""
