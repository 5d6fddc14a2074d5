"""Who may connect and call: TLS certificates, tokens and permissions.

In come the method and the metadata of a call, before its message is read; out comes None for a
call that may be made, or the function that refuses it.

    no token, an unknown one, two of them   UNAUTHENTICATED
    a token without the permission          PERMISSION_DENIED
    health checks                           need no token
    reflection                              needs any valid token

The token file holds SHA-256 hashes, never tokens. Certificates and tokens are reloaded when
their files change, and on SIGHUP; an invalid file is logged and ignored. Tokens are checked at
each call, certificates when a connection is made.

Rules: an address that other machines can reach is served only with TLS and either tokens or
client certificates, unless a setting allows less. All hashes are compared, each in constant
time. Refusals run in threads of their own, so they take no place from callers that are allowed.
"""
