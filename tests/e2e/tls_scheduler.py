"""A scheduler with TLS and one worker, as a site with an authority of its own runs it; ends with its standard input.

Writes `ca.pem`, `client.pem`, `client.key` and another site's `other-ca.pem` into the folder that is its argument, and
prints one line of JSON: where the scheduler is, and who vouches for it.
"""

import datetime
import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dask.distributed import Client, LocalCluster
from distributed.security import Security


def certificate(folder, name, issuer=None):
    """Writes a certificate and its key; one without an issuer is an authority."""
    now = datetime.datetime.now(datetime.timezone.utc)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, signs = issuer if issuer else (subject, key)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signs, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return subject, key


def main():
    folder = Path(sys.argv[1])
    authority = certificate(folder, "ca")
    certificate(folder, "other-ca")
    for name in ("node", "client"):
        certificate(folder, name, authority)
    node = {"cert": str(folder / "node.pem"), "key": str(folder / "node.key")}
    security = Security(
        tls_ca_file=str(folder / "ca.pem"),
        require_encryption=True,
        **{f"tls_{who}_{part}": node[part] for who in ("scheduler", "worker", "client") for part in node},
    )
    with LocalCluster(
        n_workers=1, threads_per_worker=1, protocol="tls", security=security, dashboard_address="127.0.0.1:0"
    ) as cluster, Client(cluster) as client:
        print(json.dumps({"address": cluster.scheduler_address}), flush=True)
        for line in sys.stdin:
            client.gather(client.map(abs, range(int(line)), pure=False))
            print(json.dumps({"done": int(line)}), flush=True)


if __name__ == "__main__":
    main()
