"""The program `symbolon`. Use it as a program: nothing here is meant to be imported.

`symbolon-server symbolicate`, which has a server of its own, is made of the same parts.

`arguments` parses the command line, connects and runs one of `commands`, which read what they are
given (`reading`) and print what they are answered (`showing`). Several processes may share the
lines of a file (`sharing`), each but the first with `member` as its program. Exit codes are in
`parsers`.
"""
