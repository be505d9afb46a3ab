"""The certificate authority for a Lambda API on https."""

import ssl
import tempfile
from pathlib import Path


class LocalAuthority:
    """A certificate for 127.0.0.1 and localhost, and a CA file for clients to trust it.

    Raises:
        ModuleNotFoundError: trustme is not installed.
    """

    def __init__(self) -> None:
        try:
            import trustme
        except ModuleNotFoundError:
            raise ModuleNotFoundError("tls=True needs trustme: pip install 'streamify[tls]'") from None
        authority = trustme.CA()
        self.context: ssl.SSLContext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.context)
        with tempfile.NamedTemporaryFile(prefix="streamify-ca-", suffix=".pem", delete=False) as file:
            file.write(authority.cert_pem.bytes())
        self.path: Path = Path(file.name)

    def close(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
