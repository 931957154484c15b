"""What TLS lets through and what it refuses (reliability.md R19), against real servers with certificates of our own."""

from __future__ import annotations

import datetime
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme

from openfeature_kameleoon.errors import RequestFailed
from openfeature_kameleoon.settings import Secret
from openfeature_kameleoon.transport.attempts import RequestType
from openfeature_kameleoon.transport.deadline import DeadlineAdapter
from openfeature_kameleoon.transport.http import Http, Response
from tests.chaos import ChaosServer, drips, reply, tunnels

HERE = "127.0.0.1"
HEAD = b"HTTP/1.1 200 OK\r\n"
DEADLINE = 0.3
SLACK = 1.0
SOURCE = Path(__file__).resolve().parents[2] / "openfeature_kameleoon"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificates that are good."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The authority's bundle, which the environment says to trust."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return bundle


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http()
    yield http
    http.close()


def forget_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def get(http: Http, url: str, *, timeout: float = 5.0, headers: dict[str, str | Secret] | None = None) -> Response:
    return http.request("GET", url, kind=RequestType.DATAFILE, timeout=timeout, headers=headers)


def refused(http: Http, context: ssl.SSLContext) -> RequestFailed:
    with ChaosServer(reply(), tls=context) as server, pytest.raises(RequestFailed) as failed:
        get(http, server.url)
    assert server.received == []
    return failed.value


# --- refused ------------------------------------------------------------------------------------------------


def expired(authority: trustme.CA) -> ssl.SSLContext:
    now = datetime.datetime.now(datetime.timezone.utc)
    days = datetime.timedelta(days=1)
    return serving(authority.issue_cert(HERE, not_before=now - 9 * days, not_after=now - days))


def not_yet_valid(authority: trustme.CA) -> ssl.SSLContext:
    now = datetime.datetime.now(datetime.timezone.utc)
    return serving(authority.issue_cert(HERE, not_before=now + datetime.timedelta(days=1)))


def for_another_host(authority: trustme.CA) -> ssl.SSLContext:
    return serving(authority.issue_cert("data.kameleoon.io", "127.0.0.2"))


def for_a_name_that_looks_like_the_address(authority: trustme.CA) -> ssl.SSLContext:
    return serving(authority.issue_cert(common_name=HERE))


def by_an_unknown_authority(_: trustme.CA) -> ssl.SSLContext:
    return serving(trustme.CA().issue_cert(HERE))


def signed_by_itself(_: trustme.CA) -> ssl.SSLContext:
    its_own = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with its_own.cert_pem.tempfile() as certificate, its_own.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(
    "context",
    [
        *(expired, not_yet_valid, for_another_host, for_a_name_that_looks_like_the_address),
        *(by_an_unknown_authority, signed_by_itself),
    ],
)
@pytest.mark.usefixtures("trusted")
def test_r19_a_certificate_that_is_not_good_is_refused(http: Http, authority: trustme.CA, context: object) -> None:
    assert callable(context)

    failed = refused(http, context(authority))

    assert "the server's certificate was refused; check the CA bundle" in failed.message
    assert (failed.status, failed.retryable, failed.timed_out) == (None, False, False)


def test_r19_an_authority_nobody_told_us_to_trust_is_refused(
    http: Http, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_bundles(monkeypatch)

    failed = refused(http, serving(authority.issue_cert(HERE)))

    assert "certificate was refused" in failed.message


@pytest.mark.usefixtures("trusted")
def test_r19_a_certificate_signed_with_sha1_is_refused(http: Http, authority: trustme.CA, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command: the cryptography package signs nothing with SHA-1")
    leaf, request, weak, name = (str(tmp_path / end) for end in ("leaf.key", "leaf.csr", "leaf.pem", "name"))
    authority.issue_cert(HERE).private_key_pem.write_to_path(leaf)
    Path(name).write_text(f"subjectAltName=IP:{HERE}")
    with authority.cert_pem.tempfile() as ca, authority.private_key_pem.tempfile() as key:
        ask = ["req", "-new", "-key", leaf, "-subj", "/CN=weak", "-out", request]
        sign = ["x509", "-req", "-sha1", "-in", request, "-CA", ca, "-CAkey", key, "-set_serial", "1"]
        for command in (ask, [*sign, "-extfile", name, "-out", weak]):
            subprocess.run([openssl, *command], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(weak, leaf)

    failed = refused(http, context)

    assert "certificate was refused" in failed.message


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.usefixtures("trusted")
def test_r19_a_tls_version_that_is_too_old_is_refused(http: Http, authority: trustme.CA) -> None:
    context = serving(authority.issue_cert(HERE))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1

    failed = refused(http, context)

    assert "TLS failed" in failed.message


def test_r19_nothing_in_the_package_switches_verification_off() -> None:
    switches = ("verify=False", "CERT_NONE", "check_hostname = False", "_create_unverified_context", "InsecureRequest")

    found = [path.name for path in SOURCE.rglob("*.py") if any(switch in path.read_text() for switch in switches)]

    assert found == []


# --- let through --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusted")
def test_r19_a_ca_bundle_of_the_environment_counts(http: Http, authority: trustme.CA) -> None:
    context = serving(authority.issue_cert(HERE))

    with ChaosServer(reply(200, b"x" * 100_000), drips(HEAD, b"X: 1\r\n"), tls=context) as server:
        assert len(get(http, server.url).body) == 100_000
        started = time.monotonic()
        with pytest.raises(RequestFailed, match="no complete answer in time"):
            get(http, server.url, timeout=DEADLINE)
        took = time.monotonic() - started

    assert took < DEADLINE + SLACK


@pytest.mark.parametrize("has_adapter", [True, False])
def test_a_ca_bundle_of_a_users_session_counts(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_adapter: bool
) -> None:
    forget_bundles(monkeypatch)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)

    with requests.Session() as session, ChaosServer(reply(), tls=serving(authority.issue_cert(HERE))) as server:
        session.verify = str(bundle)
        if has_adapter:
            session.mount("https://", DeadlineAdapter())
        answer = get(Http(session), server.url)

    assert answer.status == 200


def test_r19_a_server_gets_the_client_certificate_it_asks_for(
    authority: trustme.CA, trusted: Path, tmp_path: Path
) -> None:
    context = serving(authority.issue_cert(HERE))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    certificate = tmp_path / "client.pem"
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(certificate)

    with requests.Session() as session, ChaosServer(reply(), tls=context) as server:
        session.mount("https://", DeadlineAdapter())
        with pytest.raises(RequestFailed):
            get(Http(session), server.url)
        session.cert = str(certificate)
        answer = get(Http(session), server.url)

    assert answer.status == 200
    assert len(server.received) == 1


# --- proxies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", ["", "name:password@"])
@pytest.mark.usefixtures("trusted")
def test_r19_https_goes_through_a_proxys_tunnel_with_the_proxys_credentials(
    http: Http, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, credentials: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    answers = (reply(200, b"x" * 100_000), drips(HEAD, b"X: 1\r\n"))

    with (
        ChaosServer(*answers, tls=serving(authority.issue_cert(HERE))) as server,
        ChaosServer(tunnels(server.port)) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"http://{credentials}{HERE}:{proxy.port}")

        answer = get(http, server.url, headers={"Authorization": Secret("Bearer ours")})
        with pytest.raises(RequestFailed, match="no complete answer in time"):
            get(http, server.url, timeout=DEADLINE)

    assert len(answer.body) == 100_000
    assert proxy.received[0].method == "CONNECT"
    assert ("proxy-authorization" in proxy.received[0].headers) is bool(credentials)
    assert "authorization" not in proxy.received[0].headers
    assert server.received[0].headers["authorization"] == "Bearer ours"


@pytest.mark.usefixtures("trusted")
def test_a_proxy_that_speaks_tls_is_verified_and_tunnels_tls(
    http: Http, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    context = serving(authority.issue_cert(HERE))

    with (
        ChaosServer(reply(200, b"{}"), drips(HEAD, b"X: 1\r\n"), tls=context) as server,
        ChaosServer(tunnels(server.port), tls=context) as proxy,
    ):
        monkeypatch.setenv("https_proxy", proxy.url)

        assert get(http, server.url).body == b"{}"
        with pytest.raises(RequestFailed, match="no complete answer in time"):
            get(http, server.url, timeout=DEADLINE)


# Python 3.10 with urllib3 before 2.3 leaves the socket of a refused tunnel to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("trusted")
def test_a_deadline_holds_while_a_proxy_drips_its_consent(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)

    with ChaosServer(drips(HEAD, b"X: 1\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        started = time.monotonic()
        with pytest.raises(RequestFailed) as failed:
            get(http, "https://sdk-config.example.org/", timeout=DEADLINE)
        took = time.monotonic() - started

    assert failed.value.retryable
    assert took < DEADLINE + SLACK


# Python 3.10 with urllib3 before 2.3 leaves the socket of a refused tunnel to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_proxy_that_refuses_is_told_without_its_credentials(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with ChaosServer(reply(407)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://name:password@127.0.0.1:{proxy.port}")

        with pytest.raises(RequestFailed, match="the proxy did not let it through") as failed:
            get(http, "https://sdk-config.example.org/")

    assert "password" not in failed.value.message


# --- what cannot begin --------------------------------------------------------------------------------------


def test_a_ca_bundle_that_is_not_there_is_told(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with pytest.raises(RequestFailed, match="check the CA bundle"):
        get(http, "https://127.0.0.1:1/")
