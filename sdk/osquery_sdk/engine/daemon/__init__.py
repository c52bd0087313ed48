"""osqueryd's duties beside answering: schedule, packs, results, loggers and distributed queries."""
