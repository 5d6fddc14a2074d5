"""Why a job was refused by a server, with its number and in the words of Eliot's own refusals."""

import re

from symbolon.errors import InvalidRequestError, SymbolonError

_MODULE = re.compile(r"modules\[(\d+)\]\.debug_(file|id)")
_FRAME = re.compile(r"stacks\[(\d+)\]\.frames\[(\d+)\](\.module_index)?")

_ELIOTS_NAMES = {"file": "debug_filename", "id": "debug_id"}


def name_job(error: SymbolonError, job: int) -> SymbolonError:
    """Return the error with the number of its job, of one or of several, before its text."""
    violations = error.violations if isinstance(error, InvalidRequestError) else ()
    for violation in violations[:1]:
        if place := _name_place(violation.field):
            return error.saying(f"job {job} has invalid {place}: {violation.description}")
    return error.saying(f"job {job}: {error}")


def _name_place(field: str) -> str:
    """Return what a field of the API is called by Eliot; empty for others."""
    if module := _MODULE.fullmatch(field):
        index, part = module.groups()
        return f"modules: module index {index} has an invalid {_ELIOTS_NAMES[part]}"
    if frame := _FRAME.fullmatch(field):
        stack, index, module_index = frame.groups()
        fault = " has a module_index that isn't in modules" if module_index else ""
        return f"stacks: stack {stack} frame {index}{fault}"
    return ""
