"""The certificates of a server as gRPC takes them.

Apart from `protection`, so that programs that only check the files do not load gRPC.
"""

import grpc

from symbolon_server.rpc.access.protection import Certificates, Pems


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return the credentials for a secure port; new connections get the latest certificates."""
    given = certificates.pems

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Return a new configuration, or None if it is unchanged; gRPC asks at each connection."""
        nonlocal given
        certificates.refresh()
        if certificates.pems is given:
            return None
        given = certificates.pems
        return _configuration(given)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(given),
        fetch,  # type: ignore[arg-type] # the stubs know no None, which means no change
        certificates.authenticate_clients,
    )


def _configuration(pems: Pems) -> grpc.ServerCertificateConfiguration:
    pair = (pems.key, pems.certificate)
    return grpc.ssl_server_certificate_configuration([pair], pems.client_authority)
