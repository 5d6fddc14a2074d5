"""What a program says at its start about settings that it can live with."""

from collections.abc import Mapping

from symbolon_server.settings import Settings, find_likely_name, unknown_variables
from symbolon_server.telemetry.logs import EventLog

_log = EventLog(__name__)


def warn_of_unknown(environment: Mapping[str, str]) -> None:
    """Log the variables that name no setting, each with the one that is probably meant."""
    for name in unknown_variables(environment):
        _log.warning("unknown_setting", name=name, likely=find_likely_name(name))


def warn_of_no_suppliers(settings: Settings) -> None:
    """Log that every module will be missing."""
    if not settings.suppliers:
        _log.warning("no_suppliers", detail="every module will be missing: SYMBOLON_SUPPLIERS")


def without_unknown(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that is started here: it need not warn again."""
    unknown = set(unknown_variables(environment))
    return {name: value for name, value in environment.items() if name not in unknown}
