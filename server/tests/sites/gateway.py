"""Configuration of a dask-gateway-server as sites run it, for `dask-gateway-server -f`.

What differs between sites comes from GATEHOUSE_SITE, as JSON: `api` is where the API alone is served, as a Kubernetes
service does; `web` is what stands before it and the dashboards; `schedulers` is where schedulers are reached.
"""

import json
import os
import sys
import uuid
from types import SimpleNamespace

from aiohttp import web
from dask_gateway_server.auth import JupyterHubAuthenticator
from dask_gateway_server.backends import db_base
from dask_gateway_server.options import Integer, Mapping, Options, Select, String

site = json.loads(os.environ["GATEHOUSE_SITE"])


class SiteAuthenticator(JupyterHubAuthenticator):
    """As Nebari's: a user needs a role, too."""

    async def authenticate(self, request):
        user = await super().authenticate(request)
        role = site.get("role")
        if role and role not in user.groups:
            raise web.HTTPInternalServerError(
                reason="Permission failure user does not have required dask_gateway roles"
            )
        return user


c = get_config()  # noqa: F821 - put here by traitlets
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = site["api"]
c.Proxy.address = site["web"]
c.Proxy.tcp_address = site["schedulers"]
c.Proxy.prefix = site.get("prefix", "")
c.UnsafeLocalBackend.clusters_directory = site["clusters"]
c.UnsafeLocalBackend.sigint_timeout = 3
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
if "hub" in site:
    c.DaskGateway.authenticator_class = SiteAuthenticator
    c.JupyterHubAuthenticator.jupyterhub_api_url = site["hub"]
    c.JupyterHubAuthenticator.jupyterhub_api_token = "the gateway's own"

if "namespace" in site:
    # Kubernetes' clusters are called NAMESPACE.HEX.
    def uuid4():
        return SimpleNamespace(hex=f"{site['namespace']}.{uuid.uuid4().hex}")

    db_base.uuid = SimpleNamespace(uuid4=uuid4)
    c.Backend.cluster_options = Options(
        Select("conda_environment", ["global/global-dask"], label="Environment"),
        Select("profile", ["Small Worker", "Medium Worker"], label="Cluster Profile"),
        Mapping("environment_vars", {}, label="Environment Variables"),
        handler=lambda options: {"environment": options.environment_vars},
    )
else:
    c.Backend.cluster_options = Options(
        Integer("worker_cores", 2, min=1, max=4, label="Worker Cores"),
        String("image", "pangeo/base-notebook", label="Image"),
        handler=lambda options: {},
    )


def certificate(folder):
    """Makes `ca.pem` in the folder, and a certificate for 127.0.0.1 that it signed."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def builder(subject, key):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Site CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def write(path, data):
        with open(os.path.join(folder, path), "wb") as file:
            file.write(data)
        return file.name

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = (
        builder("Site CA", authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = builder("gateway", key).add_extension(host, critical=False).sign(authority, hashes.SHA256())
    pem = serialization.Encoding.PEM
    write("ca.pem", ca.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return write("tls.pem", leaf.public_bytes(pem)), write("tls.key", private)


if "tls" in site:
    c.Proxy.tls_cert, c.Proxy.tls_key = certificate(site["tls"])
