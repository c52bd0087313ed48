"""The command lines of every extension program and of `osquery-sdk`."""
