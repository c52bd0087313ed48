"""Helpers that every member of the house shares; nothing here imports another member.

errors
    The root of every member's tree of errors.
settings, settings_file
    Declare a program's settings, and read them from flags, environment, file and defaults.
files, atomic
    Read files that others wrote, within limits; write files so that they are there as a whole or not at all.
patterns
    Find the files that a LIKE pattern names.
limits
    Bounds of one statement's work: bytes, rows, folders, seconds.
text, json_text, quoted, redact, spelling, times
    Decode and show bytes; read JSON with comments; skip quoted strings; hide secrets; find the nearest name;
    convert moments.
programs, processes, signals, frozen_children
    Run programs within limits; start, end and clean up processes; stop in order; serve as a frozen child.
http, unixhttp
    Ask web servers over HTTPS, and local services over Unix sockets.
binaries, elf, cyclonedx
    Say for which system a program is; find the libraries that it needs; write a bill of materials.
streams, spinner, progress
    Keep standard output for the result; show that long work goes on.
author_code
    Call what an author wrote, and describe its mistakes.
git, installed
    Facts of a checkout, and of the installed distribution.
"""
