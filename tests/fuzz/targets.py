"""All fuzz targets, by name."""

from collections.abc import Mapping

from tests.fuzz import (
    native_file_target,
    page_file_target,
    page_target,
    queue_target,
    report_target,
    request_target,
    supplier_target,
    symbol_file_target,
)
from tests.fuzz.gateway import stacks_target, text_target
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    "symbol_file": symbol_file_target.TARGET,
    "native_file": native_file_target.TARGET,
    "page": page_target.TARGET,
    "page_file": page_file_target.TARGET,
    "request": request_target.TARGET,
    "report": report_target.TARGET,
    "text": text_target.TARGET,
    "stacks": stacks_target.TARGET,
    "supplier": supplier_target.TARGET,
    "queue": queue_target.TARGET,
}
