"""A module has one job id, which RQ accepts and an operator can read."""

from hypothesis import given
from hypothesis import strategies as st
from rq.job import validate_job_id

from symbolon_server.ingest.jobs import job_id_for, module_id_of
from symbolon_server.symbols.module_ids import InvalidModuleIdError, ModuleId


@st.composite
def module_ids(draw: st.DrawFn) -> ModuleId:
    name = draw(st.text(min_size=1, max_size=40))
    digits = draw(st.text("0123456789ABCDEF", min_size=33, max_size=40))
    try:
        return ModuleId.parse(name, digits)
    except InvalidModuleIdError:
        return ModuleId.parse("a_b.so", digits)


@given(module_ids())
def test_a_job_id_is_allowed_by_rq_and_names_its_module(module_id: ModuleId) -> None:
    job_id = job_id_for(module_id)
    validate_job_id(job_id)
    assert module_id_of(job_id) == module_id


def test_a_job_id_can_be_read(xul: ModuleId) -> None:
    assert job_id_for(xul) == "xul_2Epdb_2F44E4EC8C2F41492B9369D6B9A059577C2"


def test_an_underscore_is_no_quote() -> None:
    digits = "0" * 33
    with_underscore = ModuleId.parse("a_2Eb", digits)
    with_dot = ModuleId.parse("a.b", digits)
    assert job_id_for(with_underscore) != job_id_for(with_dot)
    assert module_id_of(job_id_for(with_underscore)) == with_underscore
