"""A server with canned answers, for the tests of whoever uses the client. Needs grpcio alone.

    from symbolon.testing import FakeServer

    with FakeServer() as server:
        server.add_frame(module, 0x1A2F, "f()", file="a.cpp", line=7)
        ...  # ask server.target

For pytest there is a fixture, `symbolon_server`: put `symbolon.testing.pytest_plugin` into
`pytest_plugins`.
"""

from symbolon.testing.fake_server import FakeServer

__all__ = ["FakeServer"]
