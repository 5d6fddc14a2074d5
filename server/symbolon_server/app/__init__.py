class StartError(Exception):
    """The server cannot start; each of `problems` says what is wrong and how to fix it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
