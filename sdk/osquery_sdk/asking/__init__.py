"""Ask osquery from an extension: SQL with parameters, options, other extensions, and its database."""
