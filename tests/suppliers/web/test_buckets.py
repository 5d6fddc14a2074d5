"""Private buckets, in moto's S3 server, which checks signatures and permissions."""

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symbolon_server.suppliers.contents.errors import (
    FailingSupplierError,
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.parse import InvalidSupplierError, parse_suppliers
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.networks import free_port
from tests.fixtures.symbol_server import SymbolServer
from tests.suppliers.asking import fetch

HAS_BOTOCORE = importlib.util.find_spec("botocore") is not None
needs_botocore = pytest.mark.skipif(not HAS_BOTOCORE, reason="the extra buckets is not installed")

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
KEY = "v1/xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym"
"""Without special characters: moto unquotes a path before it checks the signature."""

CONTENT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n"
READING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}],
}
FREE_ACTIONS = 5
"""What `prepare` does before signatures are checked."""


def client(service: str, endpoint: str) -> Any:
    import botocore.session  # noqa: PLC0415 - an extra

    return botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="setup",
        aws_secret_access_key="setup",
    )


def prepare(endpoint: str) -> dict[str, str]:
    """Put a symbol file into a bucket; return the environment of a user who may read objects."""
    iam, s3 = client("iam", endpoint), client("s3", endpoint)
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(READING))
    s3.create_bucket(Bucket="symbols")
    s3.put_object(Bucket="symbols", Key=KEY, Body=CONTENT)
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the endpoint of an S3 server and the environment of a reader."""
    if not HAS_BOTOCORE or shutil.which("moto_server") is None:
        pytest.skip("botocore and moto_server are not both installed")
    port = free_port()
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environment["INITIAL_NO_AUTH_ACTION_COUNT"] = str(FREE_ACTIONS)
    with subprocess.Popen(
        ["moto_server", "-p", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            assert any("Running on" in line for line in server.stderr)
            endpoint = f"http://127.0.0.1:{port}"
            yield endpoint, prepare(endpoint)
        finally:
            server.kill()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away the credentials of the machine on which the tests run."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def log_in(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def supplier(
    store: tuple[str, dict[str, str]], alone: None, monkeypatch: pytest.MonkeyPatch
) -> Supplier:
    del alone
    endpoint, environment = store
    log_in(monkeypatch, environment)
    (made,) = parse_suppliers(f"s3://symbols/v1?region=us-east-1&endpoint={endpoint}")
    return made


def test_a_private_object_is_read_with_the_credentials_of_the_environment(
    supplier: Supplier,
) -> None:
    assert fetch(supplier, XUL) == CONTENT
    assert supplier.name.endswith("/symbols/v1")


def test_a_fork_reads_after_its_parent(supplier: Supplier) -> None:
    assert fetch(supplier, XUL) == CONTENT
    child = os.fork()
    if child == 0:
        os._exit(0 if fetch(supplier, XUL) == CONTENT else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_absent_object_is_missing(supplier: Supplier) -> None:
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file$"):
        fetch(supplier, XUL._replace(debug_file="other.pdb"))


def test_a_wrong_secret_is_refused(
    store: tuple[str, dict[str, str]], alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del alone
    endpoint, environment = store
    log_in(monkeypatch, environment | {"AWS_SECRET_ACCESS_KEY": "hunter2"})
    (wrong,) = parse_suppliers(f"s3://symbols/v1?region=us-east-1&endpoint={endpoint}")
    with pytest.raises(UnavailableSymbolFileError, match="refuses access") as caught:
        fetch(wrong, XUL)
    assert "hunter2" not in str(caught.value)


def test_a_sources_file_names_bucket_and_profile(
    store: tuple[str, dict[str, str]], alone: None, tmp_path: Path
) -> None:
    del alone
    endpoint, environment = store
    lines = [f"{name.lower()} = {value}" for name, value in environment.items()]
    (tmp_path / "credentials").write_text("\n".join(["[symbols]", *lines]))
    (tmp_path / "config").write_text("[profile symbols]\nregion = us-east-1\n")
    file = tmp_path / "sources.toml"
    file.write_text(
        f'[[source]]\nlocation = "s3://symbols/v1"\nendpoint = "{endpoint}"\nprofile = "symbols"'
    )
    (made,) = parse_suppliers(str(file))
    assert fetch(made, XUL) == CONTENT


@needs_botocore
def test_without_credentials_the_bucket_is_unavailable(alone: None) -> None:
    del alone
    (made,) = parse_suppliers("s3://symbols?endpoint=http://127.0.0.1:1")
    with pytest.raises(FailingSupplierError, match=r"^no credentials of AWS are found$"):
        fetch(made, XUL)


@needs_botocore
def test_a_role_that_is_refused_makes_the_bucket_unavailable(
    alone: None, symbol_server: SymbolServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kubernetes gives pods a token, which STS changes for credentials."""
    del alone
    (tmp_path / "token").write_text("hunter2")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", symbol_server.url)  # it refuses all posts
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (made,) = parse_suppliers("s3://symbols?endpoint=http://127.0.0.1:1")
    with pytest.raises(FailingSupplierError, match=r"^no credentials of AWS: \w+$") as caught:
        fetch(made, XUL)
    assert "hunter2" not in str(caught.value)


@needs_botocore
@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("s3://symbols/v1?region=eu-central-1", "symbols.s3.eu-central-1.amazonaws.com/v1"),
        ("S3://symbols", "symbols.s3.us-east-1.amazonaws.com"),
        ("s3://sym.bols/a/?region=eu-west-1", "s3.eu-west-1.amazonaws.com/sym.bols/a"),
        ("s3://symbols/a b?endpoint=https://minio:9000/", "minio:9000/symbols/a%20b"),
    ],
)
def test_a_bucket_has_the_host_of_its_store(alone: None, setting: str, name: str) -> None:
    del alone
    (made,) = parse_suppliers(f"{setting}#layout=native")
    assert made.name == name
    assert made.candidates(AskedModule(XUL))[0].parts[-1] == "xul.pdb"


@needs_botocore
@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("s3://", "does not name a bucket: s3://bucket/prefix"),
        ("s3://Symbols/", "does not name a bucket: s3://bucket/prefix"),
        (
            "s3://symbols?key=hunter2",
            "has an unknown parameter; s3 takes region, endpoint, profile",
        ),
        ("s3://symbols?region=hunter2!", "has an invalid region"),
        ("s3://symbols?endpoint=hunter2", "is not http or https"),
        ("s3://symbols?profile=hunter2", "cannot be signed for: ProfileNotFound"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_refused(alone: None, setting: str, complaint: str) -> None:
    del alone
    with pytest.raises(InvalidSupplierError) as caught:
        parse_suppliers(setting)
    assert str(caught.value) == f"supplier 1 {complaint}"


@pytest.mark.skipif(HAS_BOTOCORE, reason="the extra buckets is installed")
def test_without_botocore_a_bucket_is_refused_with_the_extra_to_install() -> None:
    with pytest.raises(InvalidSupplierError, match=r"install the extra 'buckets'$"):
        parse_suppliers("s3://symbols")
