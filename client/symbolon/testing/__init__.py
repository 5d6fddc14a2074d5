"""A fake server with canned answers, for tests of programs that use the client.

    from symbolon.testing import FakeServer

    with FakeServer() as server:
        server.add_frame(module, 0x1A2F, "f()", file="a.cpp", line=7)
        ...  # call server.target

It needs grpcio only. For pytest there is a fixture, `symbolon_server`: add
`symbolon.testing.pytest_plugin` to `pytest_plugins`.
"""

from symbolon.testing.fake_server import FakeServer

__all__ = ["FakeServer"]
