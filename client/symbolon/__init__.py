"""The client of Symbolon, a server that symbolicates crash stacks."""
