"""The messages and stubs of the API `symbolon.v1`, generated from its .proto files."""
