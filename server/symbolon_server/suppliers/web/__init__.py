"""Symbol servers: HTTP requests with limits, retries and no way into the internal network.

In comes the path of a symbol file; out comes its response, or a `SupplierError`.

    404, 410                     missing; 403 too, with the option absent=403
    401, 403, other statuses     unavailable
    408, 429, 500, 502 to 504,   retried with backoff, then failing
    or a lost connection
    a timeout                    failing, without a retry

Rules: credentials and headers go to the supplier's own origin only. Redirects of a public server
lead to public addresses only, checked on the connected socket. No error quotes a URL. A session
belongs to one process: it is created at the first fetch after a fork.
"""
