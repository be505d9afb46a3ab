"""TLS on 127.0.0.1."""

import ssl
from pathlib import Path

import trustme


def make_authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return a server's context for 127.0.0.1, and the path of the CA bundle that trusts it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, str(bundle)
