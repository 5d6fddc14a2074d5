import os
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import pytest

from symbolon_server.__main__ import main
from symbolon_server.app.wiring.redis_connections import refuse_bad_setup
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.rpc.access.tokens import hash_token
from symbolon_server.settings import Settings
from tests.app.conftest import (
    PATIENCE_SECONDS,
    SAMPLE,
    Program,
    StartProgram,
    starting,
    wait_until,
)
from tests.fixtures.certificates import Authority, authority
from tests.fixtures.clusters import running_cluster
from tests.fixtures.logging_state import restored_logging
from tests.fixtures.sentinels import Access, watched
from tests.fixtures.symbol_server import ALL_PATHS, HTML_PAGE, Answer, SymbolServer, symbol_server

__all__ = ["authority", "restored_logging", "symbol_server"]


def said(program: Program) -> tuple[int, str]:
    output, _ = program.process.communicate(timeout=PATIENCE_SECONDS)
    return program.process.wait(PATIENCE_SECONDS), output


class Check(Protocol):
    def __call__(self, **settings: str) -> tuple[int, str]: ...


@pytest.fixture
def check(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    restored_logging: None,
) -> Check:
    """Run the command in this process and return what it says, all of it on standard output.

    Its start as a program is most of what a check takes; some tests start it nevertheless.
    """
    del restored_logging

    def check_here(**settings: str) -> tuple[int, str]:
        variables = {f"SYMBOLON_{name.upper()}": value for name, value in settings.items()}
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", environment | variables)
            code = main(["check"])
        output, errors = capsys.readouterr()
        assert errors == ""
        return code, output

    return check_here


def test_valid_settings_are_reported_line_by_line(start: StartProgram) -> None:
    code, output = said(
        start("check", listen="127.0.0.1:0", http="127.0.0.1:0", suppliers=str(SAMPLE / "symbols"))
    )
    assert code == 0, output
    subjects = [line.split()[1] for line in output.splitlines()]
    assert subjects == ["listen", "http", "store", "cache", "supplier", "spool", "data"]
    assert all(line.startswith("ok ") for line in output.splitlines())


def test_every_problem_is_reported_with_its_fix(
    start: StartProgram, tmp_path: Path, redis_store_url: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    program = start(
        "check",
        listen="0.0.0.0:0",
        http="0.0.0.0:0",
        suppliers=str(tmp_path / "nowhere"),
        store_url=redis_store_url,
        cache_url=redis_store_url,
        spool_dir=str(file / "spool"),
        thread="1",
    )
    code, output = said(program)
    assert code == 1
    wrong = [line for line in output.splitlines() if line.startswith("WRONG")]
    assert [line.split()[1] for line in wrong] == [
        "settings",
        "listen",
        "http",
        "cache",
        "store/cache",
        "supplier",
        "spool",
    ]
    assert "SYMBOLON_SPOOL_DIR" in wrong[-1]


def wrong_lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("WRONG")]


def test_a_misspelt_setting_is_wrong_and_the_likely_name_is_reported(check: Check) -> None:
    code, output = check(supplier="/x", spool_byte="1", xyzzy="1", token="t")
    assert code == 1
    assert [line.split(maxsplit=2)[2] for line in wrong_lines(output)[:3]] == [
        "SYMBOLON_SPOOL_BYTE names no setting: is SYMBOLON_SPOOL_BYTES meant?",
        "SYMBOLON_SUPPLIER names no setting: is SYMBOLON_SUPPLIERS meant?",
        "SYMBOLON_XYZZY names no setting",
    ]
    assert "SYMBOLON_TOKEN" not in output


def test_a_port_in_use_is_reported(check: Check) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, output = check(
            listen=address, http=address, metrics_listen=address, suppliers=str(SAMPLE / "symbols")
        )
    told = [line for line in output.splitlines() if line.startswith("WARN")]
    assert [line.split()[1] for line in told] == ["listen", "http", "metrics"]
    assert all(f"cannot listen on {address}: address already in use" in line for line in told)
    assert code == 0  # a server that runs has its ports


def test_an_address_of_another_machine_is_wrong(check: Check) -> None:
    code, output = check(listen="192.0.2.7:0", allow_insecure_public="true")
    assert code == 1
    assert "cannot listen on 192.0.2.7:0: cannot assign" in wrong_lines(output)[0]


WITHOUT_ALL_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""What takes from root, as which tests may run, the right to look into every folder."""


@pytest.mark.parametrize("variable", ["SYMBOLON_SPOOL_DIR", "SYMBOLON_DATA_DIR"])
def test_a_folder_that_may_not_be_looked_into_is_wrong(
    environment: dict[str, str], tmp_path: Path, variable: str
) -> None:
    forbidden = tmp_path / "forbidden"
    forbidden.mkdir(mode=0)
    run = subprocess.run(
        [
            *(WITHOUT_ALL_RIGHTS if os.geteuid() == 0 else ()),
            *(sys.executable, "-m", "symbolon_server", "check"),
        ],
        env=environment | {variable: str(forbidden / "deep" / "folder")},
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (run.returncode, run.stderr) == (1, "")
    assert (
        f"{forbidden}/deep/folder cannot be written: let this user write to {forbidden}, "
        f"or set {variable} to another folder"
    ) in run.stdout


def test_a_folder_with_a_name_that_is_too_long_is_no_defect(check: Check, tmp_path: Path) -> None:
    code, output = check(spool_dir=str(tmp_path / ("x" * 300)))
    assert code == 1
    assert "x" * 300 in output


def test_swapped_urls_are_reported_as_such(
    check: Check, redis_store_url: str, redis_cache_url: str
) -> None:
    code, output = check(
        suppliers=str(SAMPLE / "symbols"), store_url=redis_cache_url, cache_url=redis_store_url
    )
    assert code == 1
    (line,) = wrong_lines(output)
    assert line.split()[1:6] == ["store/cache", "Store", "and", "cache", "are"]
    assert line.endswith("Exchange SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL.")


def test_a_refused_password_is_reported_for_its_server(check: Check, redis_store_url: str) -> None:
    options = EmbeddedOptions(overrides={"requirepass": "swordfish"})
    with EmbeddedRedis.start("cache.conf", options) as cache:
        url = cache.url.replace("unix://", "unix://:hunter2@")
        code, output = check(
            suppliers=str(SAMPLE / "symbols"), store_url=redis_store_url, cache_url=url
        )
    assert code == 1
    (line,) = wrong_lines(output)
    assert line.split()[1:5] == ["cache", "The", "cache", "denies"]
    assert "Correct the user and password in SYMBOLON_CACHE_URL" in line
    assert "hunter2" not in output


def test_the_required_credentials_are_reported(
    check: Check, authority: Authority, tmp_path: Path, redis_store_url: str
) -> None:
    server = authority.issue("symbols.example")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"pipeline symbolicate {hash_token('pipeline-0123456789abcdef')}\n")
    _, output = check(
        listen="0.0.0.0:0",
        http="127.0.0.1:0",
        tls_cert=str(server.chain),
        tls_key=str(server.key),
        auth_tokens_file=str(tokens),
        store_url=redis_store_url,
        cache_url=redis_store_url,
    )
    assert "SYMBOLON_HTTP with TLS needs SYMBOLON_HTTP_SERVER_NAME" in output.splitlines()[1]
    assert output.splitlines()[0].split(maxsplit=2) == [
        "ok",
        "listen",
        "0.0.0.0:0, TLS, 1 token",
    ]


def test_a_cache_that_is_a_replica_is_wrong(check: Check, redis_store_url: str) -> None:
    options = EmbeddedOptions(overrides={"replicaof": "127.0.0.1 1"})
    with EmbeddedRedis.start("cache.conf", options) as replica:
        code, output = check(
            suppliers=str(SAMPLE / "symbols"), store_url=redis_store_url, cache_url=replica.url
        )
    assert code == 1
    (wrong,) = [line for line in output.splitlines() if line.startswith("WRONG")]
    assert "is a read-only replica" in wrong


def test_a_store_that_ignores_ages_is_a_warning(check: Check) -> None:
    options = EmbeddedOptions(overrides={"maxmemory-policy": "allkeys-lfu"})
    with EmbeddedRedis.start("store.conf", options) as store:
        code, output = check(suppliers=str(SAMPLE / "symbols"), store_url=store.url)
    assert code == 0
    (warning,) = [line for line in output.splitlines() if line.startswith("WARN")]
    assert "allkeys-lfu ignores how old pages are put, and misses more: use allkeys-lru" in warning


def test_the_primary_and_each_disagreeing_sentinel_are_reported(
    check: Check, redis_store_url: str
) -> None:
    def lines(url: str) -> list[str]:
        _, output = check(
            store_url=redis_store_url, cache_url=url, suppliers=str(SAMPLE / "symbols")
        )
        assert "hunter2" not in output
        return [line for line in output.splitlines() if "Sentinel" in line]

    access = Access("hunter2-server", "hunter2-sentinel")
    with watched("cache", access=access, name="our-cache") as servers:
        primary = f"127.0.0.1:{servers.primary_port()}"
        all_there, where, *_ = lines(servers.url())
        assert all_there.split(maxsplit=2) == [
            "ok",
            "cache",
            f"3 of 3 Sentinels name {primary} as primary of our-cache",
        ]
        assert where.startswith("ok    cache       our-cache of Sentinels ")
        servers.sentinels[0].kill()
        two_there, one_gone, _ = lines(servers.url())
        assert f"2 of 3 Sentinels name {primary}" in two_there
        gone = f"Sentinel 127.0.0.1:{servers.sentinels[0].port}: "
        assert one_gone.startswith(f"WARN  cache       {gone}")
        servers.sentinels[1].kill()
        wait_until(lambda: not any(answer.can_fail_over for answer in servers.answers()))
        [wrong] = [line for line in lines(servers.url()) if line.startswith("WRONG")]
        assert wrong.startswith("WRONG cache       too few Sentinels of our-cache are up")
        servers.sentinels[2].kill()
        [wrong_cache] = lines(servers.url())
        assert wrong_cache.startswith("WRONG cache       The cache does not answer: our-cache of ")
        assert "no Sentinel names a primary that is up" in wrong_cache


def test_each_node_of_a_cluster_is_reported_and_lost_ones_do_not_keep_a_server_from_starting(
    check: Check, redis_cache_url: str
) -> None:
    with running_cluster(cluster_require_full_coverage="yes") as cluster:
        code, output = check(suppliers=str(SAMPLE / "symbols"), store_url=cluster.url())
        assert code == 0, output
        told = [line.split(maxsplit=2) for line in output.splitlines() if " store " in line]
        for port, node, warning in zip(cluster.ports, told[::2], told[1::2], strict=True):
            assert node[0] == "ok"
            assert node[2].startswith(f"127.0.0.1:{port}: ")
            assert warning[0] == "WARN"
            assert "config set cluster-require-full-coverage no" in warning[2]
        cluster.clients[0].execute_command("ACL", "SETUSER", "default", "-get")
        code, output = check(suppliers=str(SAMPLE / "symbols"), store_url=cluster.url())
        assert code == 1
        assert f"127.0.0.1:{cluster.ports[0]}: its user lacks +get" in wrong_lines(output)[0]
        cluster.clients[0].execute_command("ACL", "SETUSER", "default", "+get")
        cluster.kill(2)
        code, output = check(suppliers=str(SAMPLE / "symbols"), store_url=cluster.url())
        assert code == 0, output
        assert f"The store does not answer: 127.0.0.1:{cluster.ports[2]}" in output
        refuse_bad_setup(Settings(store_url=cluster.url(), cache_url=redis_cache_url))


def test_no_supplier_at_all_is_wrong(check: Check) -> None:
    code, output = check()
    assert code == 1
    assert "SYMBOLON_SUPPLIERS" in output


@pytest.mark.parametrize(
    ("entry", "fix"),
    [
        (".build-id", "use the layout native"),
        (".build-id#layout=symstore", "use the layout native"),
        ("#layout=native", "name that folder"),
        (".build-id#layout=native", None),
        ("", None),
    ],
)
def test_a_folder_of_build_ids_that_is_asked_for_other_paths_is_warned_of(
    check: Check, tmp_path: Path, entry: str, fix: str | None
) -> None:
    (tmp_path / ".build-id").mkdir()
    code, output = check(suppliers=f"{tmp_path}/{entry}")
    warnings = [line for line in output.splitlines() if line.split()[:2] == ["WARN", "supplier"]]
    assert code == 0
    assert [fix in line for line in warnings if fix] == [True] * bool(fix)
    assert len(warnings) == bool(fix)


def test_a_check_leaves_no_password_on_the_screen(start: StartProgram) -> None:
    program = start(
        "check",
        store_url="redis://somebody:hunter2@127.0.0.1:1",
        suppliers="http://somebody:hunter2@127.0.0.1:1/",
        supplier_total_seconds="1",
    )
    code, output = said(program)
    assert code == 1
    assert "127.0.0.1:1" in output
    assert "hunter2" not in output + program.log


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (HTML_PAGE, "has an HTML or XML document instead of the symbol file"),
        (Answer(), "has nothing instead of the symbol file"),
        (Answer(b"MODULE a b 1 c\n"), "its MODULE record has another debug id"),
    ],
    ids=["a login page", "nothing", "one file for all"],
)
def test_a_supplier_that_has_an_impossible_module_is_wrong(
    check: Check, symbol_server: SymbolServer, answer: Answer, complaint: str
) -> None:
    symbol_server.answer(ALL_PATHS, answer)
    code, output = check(suppliers=symbol_server.url)
    (line,) = [line for line in output.splitlines() if line.split()[1] == "supplier"]
    assert code == 1
    assert line.split(maxsplit=2) == [
        "WRONG",
        "supplier",
        f"127.0.0.1:{symbol_server.port} {complaint}",
    ]


def test_a_supplier_that_answers_403_is_reported_with_the_option(
    check: Check, symbol_server: SymbolServer
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=403))
    name = f"127.0.0.1:{symbol_server.port}"
    suppliers = f"{symbol_server.url},{symbol_server.url}#absent=403"
    _, output = check(suppliers=suppliers)
    told, absent = [line for line in output.splitlines() if line.split()[1] == "supplier"]
    assert told.startswith("WRONG")
    assert told.endswith(
        f"{name} refuses access (HTTP 403); if it answers 403 for what it does "
        "not have, add #absent=403"
    )
    assert absent.split(maxsplit=2) == [
        "ok",
        "supplier",
        f"{name} answers that it has no such file (HTTP 403)",
    ]


def test_each_source_of_a_file_is_reported_with_its_layout(
    check: Check, symbol_server: SymbolServer, tmp_path: Path
) -> None:
    symbol_server.folder.mkdir(exist_ok=True)
    token = tmp_path / "token"
    token.write_text("hunter2")
    token.chmod(0o640)
    file = tmp_path / "sources.toml"
    location = f'location = "{symbol_server.url}"'
    file.write_text(
        f"""
        [[source]]
        {location}
        layout = "debuginfod"
        [[source]]
        {location}
        layout = "symstore"
        compressed = "first"
        token_file = "token"
        [[source]]
        {location}
        only = ["*.dll"]
        """
    )
    code, output = check(suppliers=str(file))
    name = f"127.0.0.1:{symbol_server.port}"
    lines = [line for line in output.splitlines() if line.split()[1] == "supplier"]
    assert code == 0, output
    assert [line.split(maxsplit=2)[::2] for line in lines] == [
        [
            "ok",
            f"{name} answers that it has no such file (debuginfod: ELF by build id, nothing else)",
        ],
        [
            "ok",
            (
                f"{name} answers that it has no such file (symstore: ELF by build id, PE by "
                "code id, others by debug id)"
            ),
        ],
        [
            "WARN",
            f"{token} contains a secret that other users may read or change: chmod 600 {token}",
        ],
        ["ok", f"{name} is not asked for modules of such names: not tried"],
    ]
    assert [get.path.rpartition("/")[2] for get in symbol_server.gets] == [
        "debuginfo",
        "symbolon-check.pd_",
    ]
    assert "hunter2" not in output


def test_what_workers_lack_for_native_files_is_reported(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Without the extra, and with a folder that cannot be created."""
    (tmp_path / "file").touch()
    for package in ("symbolic", "archi"):
        (tmp_path / f"{package}.py").write_text("raise ImportError\n", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), environment.get("PYTHONPATH", "")])
    suppliers = f"{SAMPLE / 'debug' / '.build-id'}#layout=native"
    with starting(environment | {"PYTHONPATH": paths}, tmp_path) as start:
        program = start("check", suppliers=suppliers, fetch_dir=str(tmp_path / "file" / "fetch"))
        code, output = said(program)
    assert code == 0  # they concern workers only
    told = [line.split(maxsplit=2) for line in output.splitlines() if line.startswith("WARN")]
    assert [(subject, message.partition(":")[0]) for _, subject, message in told] == [
        ("native", "symbolic and archi cannot be imported"),
        ("fetch", f"{tmp_path}/file/fetch cannot be written"),
    ]


def test_the_folder_of_native_files_is_reported_where_a_source_has_them(
    check: Check, tmp_path: Path
) -> None:
    suppliers = f"{SAMPLE / 'debug' / '.build-id'}#layout=native"
    code, output = check(suppliers=suppliers, fetch_dir=str(tmp_path))
    assert code == 0, output
    assert f"ok    fetch       {tmp_path}" in output.splitlines()


def test_servers_of_debuginfod_are_reported_as_such(
    check: Check, symbol_server: SymbolServer, environment: dict[str, str]
) -> None:
    environment["DEBUGINFOD_URLS"] = symbol_server.url
    _, output = check()
    assert "those in DEBUGINFOD_URLS, since SYMBOLON_SUPPLIERS is empty" in output
    assert f"127.0.0.1:{symbol_server.port} answers that it has no such file (debugin" in output


@pytest.mark.parametrize("command", ["check", "serve"])
def test_an_unknown_option_of_a_supplier_is_refused_with_those_that_are_known(
    start: StartProgram, command: str
) -> None:
    program = start(command, suppliers="/symbols,https://a:hunter2@b.example#hunter2=1")
    code, output = said(program)
    complaint = (
        "SYMBOLON_SUPPLIERS: supplier 2 has an unknown option; a URL takes "
        "casing=default|lower|upper, layout=debug_id|debug_id+code_id|breakpad|native|symstore|"
        "symstore_index2|ssqp|unified|debuginfod|slashsymbols, compressed=first|last|never, "
        "files=debug|code|symbol and absent=403"
    )
    assert code != 0
    assert complaint in output + program.log
    assert "hunter2" not in output + program.log


def test_the_version_is_that_of_the_package(start: StartProgram) -> None:
    code, shown = said(start("--version"))
    of_package = f"symbolon-server {version('symbolon-grpc')}"
    # Programs of tests run as users' do: compiled if this checkout has compiled modules.
    assert (code, shown) in {(0, f"{of_package} ({form})\n") for form in ("compiled", "pure")}


def test_help_explains_every_command_and_setting(start: StartProgram) -> None:
    code, output = said(start("--help"))
    assert code == 0
    assert {"serve", "worker", "check"} <= set(output.split())
    code, output = said(start("serve", "--help"))
    assert code == 0
    assert "--memory-bytes" in output
    assert "--no-worker" in output


def test_a_supplier_gets_its_headers_and_they_are_not_shown(
    check: Check, symbol_server: SymbolServer, tmp_path: Path
) -> None:
    file = tmp_path / "headers"
    file.write_text(f"{symbol_server.url} X-Api-Key: hunter2\n")
    _, output = check(suppliers=symbol_server.url, supplier_headers_file=str(file))
    (line,) = [line for line in output.splitlines() if line.split()[1] == "supplier"]
    assert line.startswith("ok ")
    assert [get.headers["X-Api-Key"] for get in symbol_server.gets] == ["hunter2"]
    assert "hunter2" not in output


def test_a_reader_that_leaves_early_gets_no_traceback_and_the_exit_code_stays(
    environment: dict[str, str],
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as left:
        ended = subprocess.run(
            [sys.executable, "-m", "symbolon_server", "check"],
            env=environment | {"SYMBOLON_SUPPLIERS": "no/such/folder"},
            stdout=left,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ended.stderr == b""
    assert ended.returncode == 1
