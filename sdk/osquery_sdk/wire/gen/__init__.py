"""Generated from osquery.thrift by the Thrift compiler."""
