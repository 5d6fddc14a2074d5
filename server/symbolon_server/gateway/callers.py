"""Who calls over HTTP: the token of a request, and whether anybody knows it."""

from collections.abc import Callable

from starlette.requests import Request

from symbolon_server.gateway.refusals import Refused

_SCHEME = "bearer "
_ASK = {"WWW-Authenticate": "Bearer"}


def read_token(request: Request, is_known: Callable[[str], bool] | None) -> str | None:
    """Return the token that the call to gRPC is made with; raise `Refused`.

    Without `is_known` nobody needs one. What a token may do is for the other side to say; a
    strange one is refused here, before a body is read for it.
    """
    if is_known is None:
        return None
    given = request.headers.getlist("authorization")
    if len(given) != 1 or not given[0].lower().startswith(_SCHEME):
        raise Refused(401, "a token is needed: Authorization: Bearer TOKEN", _ASK)
    token = given[0][len(_SCHEME) :].strip()
    if not is_known(token):
        raise Refused(401, "the token is not known", _ASK)
    return token
