"""The command line `symbolon`."""
