"""A request that is one call: most are, and none of its frames becomes an object on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symbolon._batching.batches import OWN_ERRORS, Joint, name_fields
from symbolon._batching.joint_calls import CALL_SIZE, JointCall
from symbolon._messages.raw_messages import read_response
from symbolon._tecken.answers import write_response
from symbolon._tecken.jobs import name_job

if TYPE_CHECKING:
    from symbolon import SymbolonError
    from symbolon._tecken.jobs import TeckenRequest


@dataclass(frozen=True, slots=True)
class SingleCall:
    """A request with one job that is sent whole."""

    request: TeckenRequest
    call: JointCall
    encoded: bytes
    """The call as it is sent."""

    @classmethod
    def of(cls, request: TeckenRequest) -> SingleCall | None:
        """Return the call; `None` if there are several jobs, or one that is divided."""
        if len(request.jobs) != 1:
            return None
        report = request.jobs[0].encode()
        if not CALL_SIZE.has_room_for(report):
            return None
        call = JointCall()
        call.add(report)
        return cls(request, call, call.request.SerializeToString())

    def write(self, response: bytes) -> bytes:
        """Return the answer in JSON; raise `ServerDefectError` if the response is another's."""
        return write_response(self.request, list(self.call.read(read_response(response))))

    def name(self, error: SymbolonError) -> SymbolonError:
        """Return the error with the job and its fields named as in the request."""
        if not isinstance(error, OWN_ERRORS):
            return error
        return name_job(name_fields(Joint(self.request.jobs, self.call), 0, error), 0)
