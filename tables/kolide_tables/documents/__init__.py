"""Read data files as rows: one table a format, one query language for all of them.

kolide_json, kolide_jsonc, kolide_jsonl, kolide_yaml, kolide_toml, kolide_xml, kolide_ini, kolide_plist and
kolide_csv give each value of a file, or of a text in the statement, a row with the keys that lead to it.
"""
