"""Signs requests to S3 and stores with its API, by botocore's signers and credentials."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from symbolon_server.suppliers.contents.errors import FailingSupplierError

if TYPE_CHECKING:
    import requests

Sign: TypeAlias = Callable[["requests.PreparedRequest"], None]
"""Adds what proves who sends a request; raises `SupplierError` if it cannot."""

_SERVICE: Final = "s3"
_DEFAULT_REGION: Final = "us-east-1"


class SigningUnavailableError(Exception):
    """botocore is not installed, or refuses the profile; the text says which."""


class S3Signer:
    """Adds Signature Version 4 to requests, with credentials as AWS's own tools find them.

    They come from the environment, a profile, the container or the machine, in this order, and are
    looked up at the first request of each process. botocore sends none of our requests: limits,
    redirects and errors are the same as for other servers, and a fork inherits no connection.
    """

    def __init__(self, region: str = "", profile: str = "") -> None:
        """Sign for `region`; if empty, for that of the environment or profile.

        Raises `SigningUnavailableError`.
        """
        try:
            import botocore.auth  # noqa: PLC0415 - an extra, and takes half a second
            import botocore.awsrequest  # noqa: PLC0415
            import botocore.exceptions  # noqa: PLC0415
            import botocore.parsers  # noqa: PLC0415
            import botocore.session  # noqa: PLC0415
        except ImportError:
            detail = "needs botocore, which is not installed: install the extra 'buckets'"
            raise SigningUnavailableError(detail) from None
        self._botocore: Any = botocore
        # The last two are of no common class: a refused role, and an answer that is not from AWS.
        self._errors = (
            botocore.exceptions.BotoCoreError,
            botocore.exceptions.ClientError,
            botocore.parsers.ResponseParserError,
        )
        try:
            self._session = botocore.session.Session(profile=profile or None)
            known = self._session.get_config_variable("region")
        except botocore.exceptions.BotoCoreError as error:
            raise SigningUnavailableError(f"cannot be signed for: {_name(error)}") from None
        self.region = region or known or _DEFAULT_REGION

    def sign(self, request: "requests.PreparedRequest") -> None:
        """Add the headers of the signature; raise `FailingSupplierError` without credentials."""
        botocore = self._botocore
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise FailingSupplierError("no credentials of AWS are found")
            signed = botocore.awsrequest.AWSRequest(request.method, request.url)
            signer = botocore.auth.S3SigV4Auth(credentials, _SERVICE, self.region)
            signer.add_auth(signed)
        except self._errors as error:
            raise FailingSupplierError(f"no credentials of AWS: {_name(error)}") from None
        request.headers.update(signed.headers.items())


def _name(error: Exception) -> str:
    """Return the kind of the error: its text may quote a file or an answer with secrets."""
    return type(error).__name__
