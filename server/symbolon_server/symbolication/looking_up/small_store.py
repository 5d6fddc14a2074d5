"""Says that the store forgets pages before they are read: it is too small for what is asked."""

from threading import Lock
from typing import Final

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry.logs import EventLog

TOO_SMALL: Final = (
    "it was ingested, and the store forgot it before it was read: the store is too small for what "
    "is asked of it"
)

_log = EventLog(__name__)


class SmallStore:
    """Logs it once, however often it is seen."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_told = False

    def tell(self, module_id: ModuleId) -> None:
        """Log that a module was forgotten, unless that was logged before."""
        with self._lock:
            was_told, self._is_told = self._is_told, True
        if not was_told:
            _log.warning("store_too_small", module=str(module_id), detail=TOO_SMALL)
