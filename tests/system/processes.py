"""The processes of a server, by what they do."""

import psutil

from tests.app.conftest import Program


def serving_processes(program: Program) -> list[psutil.Process]:
    """Return the processes below a server that answer calls, where it has several."""
    return _below(program, "symbolon_server.app.programs.server_main")


def all_listen(program: Program, processes: int) -> bool:
    """Tell whether so many processes of a server take connections."""
    return sum(map(_listens, serving_processes(program))) == processes


def _listens(process: psutil.Process) -> bool:
    try:
        found = process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(connection.status == psutil.CONN_LISTEN for connection in found)


def workers(program: Program) -> list[psutil.Process]:
    """Return the workers below a server, with the fork that one of them may have."""
    return _below(program, "worker")


def _below(program: Program, word: str) -> list[psutil.Process]:
    def fits(process: psutil.Process) -> bool:
        try:
            return word in process.cmdline()
        except psutil.NoSuchProcess:
            return False

    return [process for process in program.below() if fits(process)]
