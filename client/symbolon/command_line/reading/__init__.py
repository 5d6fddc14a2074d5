"""What commands read: files, crash reports, raw lines and module names; TLS files and tokens.

`symbolon._forms` divides an input into documents or lines and reads them.
"""
