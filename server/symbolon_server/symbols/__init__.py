"""Symbol files and pages: pure code, no I/O."""
