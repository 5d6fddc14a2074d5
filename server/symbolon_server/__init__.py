"""The Symbolon server: gRPC symbolication through a page cache in Redis."""
