"""Buckets of Azure and Google Cloud, in emulators of them.

Azurite checks signatures, and comes from npm in some minutes: where `azurite-blob` is not on the
PATH, its tests are skipped. The emulator of Google's storage checks none.
"""

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import requests

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.networks import free_port
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.web.test_buckets import needs_botocore

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
OTHER = XUL._replace(debug_file="other.pdb")
KEY = f"v1/{XUL}/xul.sym"
ACCOUNT, ACCOUNT_KEY = "account1", base64.b64encode(b"a key of this test").decode()
AZURE_VERSION = "2018-11-09"
START_SECONDS = 60.0


@contextmanager
def running(command: Sequence[str], port: int, **variables: str) -> Iterator[None]:
    """Run an emulator, from when it accepts connections."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        command, env=environment | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            end = time.monotonic() + START_SECONDS
            pause = threading.Event()
            while not accepts_connections(port):
                assert server.poll() is None, "it ended"
                assert time.monotonic() < end, "it does not start"
                pause.wait(0.05)
            yield
        finally:
            server.kill()


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def sign(permissions: str, key: str = ACCOUNT_KEY) -> str:
    """Return a shared access signature for blobs, as the query of a URL."""
    expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    signed = {"sp": permissions, "ss": "b", "srt": "sco", "se": expiry, "sv": AZURE_VERSION}
    order = (ACCOUNT, permissions, "b", "sco", "", expiry, "", "", AZURE_VERSION, "")
    digest = hmac.digest(base64.b64decode(key), "\n".join(order).encode(), hashlib.sha256)
    return urlencode(signed | {"sig": base64.b64encode(digest).decode()})


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a private container with one symbol file."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob is not installed")
    port = free_port()
    url = f"http://127.0.0.1:{port}/{ACCOUNT}/symbols"
    folder = tmp_path_factory.mktemp("azurite")
    command = [program, "--blobPort", str(port), "--location", str(folder), "--disableTelemetry"]
    with running(command, port, AZURITE_ACCOUNTS=f"{ACCOUNT}:{ACCOUNT_KEY}"):
        may_write = sign("rwc")
        version = {"x-ms-version": AZURE_VERSION}
        requests.put(
            f"{url}?restype=container&{may_write}", headers=version, timeout=START_SECONDS
        ).raise_for_status()
        requests.put(
            f"{url}/{KEY}?{may_write}",
            TEXT,
            headers=version | {"x-ms-blob-type": "BlockBlob"},
            timeout=START_SECONDS,
        ).raise_for_status()
        yield url


def azure_supplier(url: str, signature: str, folder: Path) -> Supplier:
    (folder / "azure.sas").write_text(f"{signature}\n")
    file = folder / "sources.toml"
    file.write_text(f'[[source]]\nlocation = "{url}/v1"\nquery_file = "azure.sas"\n')
    (supplier,) = parse_suppliers(str(file))
    return supplier


def test_a_private_container_is_read_with_a_shared_access_signature(
    azure: str, tmp_path: Path
) -> None:
    supplier = azure_supplier(azure, sign("r"), tmp_path)
    assert fetch(supplier, XUL) == TEXT
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file$"):
        fetch(supplier, OTHER)


@pytest.mark.parametrize("key", ["", base64.b64encode(b"hunter2").decode()])
def test_a_container_refuses_a_wrong_signature(azure: str, tmp_path: Path, key: str) -> None:
    signature = sign("r", key) if key else "sv=2018-11-09"
    supplier = azure_supplier(azure, signature, tmp_path)
    with pytest.raises(UnavailableSymbolFileError, match="refuses access") as caught:
        fetch(supplier, XUL)
    assert "sig" not in str(caught.value)


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    """Yield the endpoint of a store whose bucket `symbols` has one symbol file."""
    program = shutil.which("gcp-storage-emulator")
    if program is None:
        pytest.skip("gcp-storage-emulator is not installed")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [program, "start", "--port", str(port), "-H", "127.0.0.1", "-M", "-q"]
    with running([*command, "--default-bucket", "symbols"], port):
        requests.post(
            f"{endpoint}/upload/storage/v1/b/symbols/o?uploadType=media&name={quote(KEY, safe='')}",
            TEXT,
            timeout=START_SECONDS,
        ).raise_for_status()
        yield endpoint


@pytest.mark.parametrize(
    "setting", ["{}/symbols/v1", pytest.param("s3://symbols/v1?endpoint={}", marks=needs_botocore)]
)
def test_a_bucket_of_google_is_read(
    google: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "GOOG1")  # an HMAC key, which this one does not check
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (supplier,) = parse_suppliers(setting.format(google))
    assert fetch(supplier, XUL) == TEXT
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file$"):
        fetch(supplier, OTHER)
