"""What `import symbolon` needs."""

import subprocess
import sys
from importlib.resources import files

LOADED_BEYOND_GRPC = """
import sys
import grpc, google.protobuf.any_pb2, google.protobuf.duration_pb2, google.protobuf.timestamp_pb2
before = set(sys.modules)
import symbolon, symbolon._tecken.requests, symbolon.text, symbolon.__main__
for name in sorted(set(sys.modules) - before):
    print(name)
"""


def test_the_package_is_marked_as_typed() -> None:
    assert files("symbolon").joinpath("py.typed").is_file()


def test_the_client_and_its_command_line_need_grpcio_and_protobuf_only() -> None:
    run = subprocess.run(
        [sys.executable, "-I", "-c", LOADED_BEYOND_GRPC], capture_output=True, text=True, check=True
    )
    loaded = run.stdout.split()
    assert "symbolon.client" in loaded
    ours = ("symbolon", "symbolon.", "google.protobuf.", "grpc.")
    unexpected = [name for name in loaded if not name.startswith(ours)]
    known = {*sys.stdlib_module_names, "__mp_main__"}  # of multiprocessing
    assert [name for name in unexpected if name.split(".")[0] not in known] == []
