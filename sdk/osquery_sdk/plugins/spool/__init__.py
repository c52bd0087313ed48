"""A logger that keeps on disk what it cannot deliver yet."""
