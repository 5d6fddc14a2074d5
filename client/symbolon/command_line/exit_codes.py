"""What the program's exit codes mean; `--help` says so too."""

SUCCESS = 0
SERVER_TROUBLE = 1
BAD_INPUT = 2
PARTLY_REFUSED = 3
INTERRUPTED = 130

EXPLANATION = """\
exit codes:
  0    done; trouble with single modules is told in the output
  1    the server cannot be reached, refuses the caller, is too slow, or is not healthy
  2    wrong usage, or input that cannot be read or that the server refuses
  3    done, but some lines of the input were refused; theirs in the output say why
  130  interrupted
"""
