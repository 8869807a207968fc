"""The reverse proxy's configuration, in a real nginx in front of servers that say what reached them.

Where there is none and it cannot be installed (Debian: nginx-light) these are skipped.
"""

import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from harness.debian import install
from harness.ports import free_port, free_ports
from harness.waiting import FETCHING_TIMEOUT_S, wait_for
from scripts.delivery.http import HttpSink

pytestmark = pytest.mark.timeout(FETCHING_TIMEOUT_S)

NGINX = Path(__file__).resolve().parents[2] / "deploy" / "nginx"
DOMAIN = "wall.example"
RECEIVER, PERSON, SCREEN = ("usb-1", "heard"), ("coach", "seen"), ("screen-hall", "hung")


def program() -> str | None:
    """Nginx's path."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Echo(BaseHTTPRequestHandler):
    """Answers with what reached it, and lets every site's pages in, as Moose does."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers["Authorization"])
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told = {
            "upstream": self.server.server_port,  # type: ignore[attr-defined]
            "path": self.path,
            "authorization": self.headers["Authorization"],
            "host": self.headers["Host"],
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        for name, value in (("Content-Length", str(len(body))), ("Access-Control-Allow-Origin", "*")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 (the base class's name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


class Proxy:
    """A running nginx."""

    def __init__(self, folder: Path, ports: dict[str, int], upstreams: dict[str, int]) -> None:
        self.folder = folder
        self.ports = ports
        self.upstreams = upstreams
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.client = httpx.Client(verify=context, trust_env=False, timeout=10)

    def ask(
        self,
        path: str,
        who: tuple[str, str] | None = None,
        *,
        method: str = "GET",
        content: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Ask over TLS, by the domain's name."""
        return self.client.request(
            method,
            f"https://127.0.0.1:{self.ports['8443']}{path}",
            auth=who,
            content=content,
            headers={"Host": DOMAIN, **(headers or {})},
            # As it stands: httpx would tidy it up.
            extensions={"sni_hostname": DOMAIN, "target": path.encode()},
        )


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, int]]:
    servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), Echo) for name in ("app", "live", "grafana")}
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers.values()]
    for thread in threads:
        thread.start()
    yield {name: server.server_port for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def nginx() -> str:
    if not (program() and shutil.which("openssl")) and not install("nginx-light", "openssl"):
        pytest.skip("no nginx on this machine, nor may it be installed")
    return str(program())


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, nginx: str, upstreams: dict[str, int]) -> Iterator[Proxy]:
    with serving(nginx, tmp_path_factory.mktemp("nginx"), upstreams) as proxy:
        yield proxy


@contextmanager
def serving(nginx: str, folder: Path, upstreams: dict[str, int], **changed: str) -> Iterator[Proxy]:
    """One that runs; `changed`: what nginx.conf says otherwise."""
    ports = free_ports("8000", "8080", "8443", "4000", "4080")
    lay_out(folder, ports, upstreams, changed)
    command = [nginx, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    with (folder / "log").open("w") as log:
        # Root's workers would be another user, who may not read this folder.
        own_user = "user root;" if os.geteuid() == 0 else ""
        process = subprocess.Popen([*command, "-g", f"daemon off; {own_user}"], stdout=log, stderr=log)
    running = Proxy(folder, ports, upstreams)
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{ports['8000']}/proxy-health"), "nginx", 30)
        yield running
    finally:
        running.client.close()
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def lay_out(folder: Path, ports: dict[str, int], upstreams: dict[str, int], changed: dict[str, str]) -> None:
    """As the image does: templates filled in; and ports and servers of this test's own."""
    (folder / "conf.d").mkdir()
    (folder / "tls").mkdir()
    general = (NGINX / "nginx.conf").read_text().replace("/tmp/", f"{folder}/").replace("/dev/stdout", "access.log")
    for name, value in changed.items():
        general = re.sub(rf"\b{name}\b([ =])[^;]+;", rf"{name}\g<1>{value};", general, count=1)
    (folder / "nginx.conf").write_text(general.replace("/dev/stderr", "stderr"))
    (folder / "mime.types").write_text("types {}\n")
    for template in NGINX.glob("*.template"):
        text = template.read_text()
        for name, value in (("DOMAIN", DOMAIN), ("INGEST_TOKEN", "ingest.token"), ("API_TOKEN", "api.token")):
            text = text.replace(f"${{BEATSTREAM_{name}}}", value)
        for number, port in ports.items():
            text = text.replace(f"listen {number}", f"listen 127.0.0.1:{port}")
            text = text.replace(f"http://127.0.0.1:{number};", f"http://127.0.0.1:{port};")
        for name, inner in (("app", 4000), ("live", 4080), ("grafana", 3000)):
            text = text.replace(f"http://{name}:{inner}", f"http://127.0.0.1:{upstreams[name]}")
        (folder / "conf.d" / template.stem).write_text(text)
    for name, (user, password) in (("receivers", RECEIVER), ("people", PERSON), ("screens", SCREEN)):
        (folder / f"{name}.htpasswd").write_text(entry(user, password))
    subject = ["-subj", f"/CN={DOMAIN}", "-days", "2"]
    files = ["-keyout", str(folder / "tls" / "privkey.pem"), "-out", str(folder / "tls" / "fullchain.pem")]
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*request, *subject, *files], check=True, capture_output=True)


def entry(user: str, password: str) -> str:
    """A line of a file of passwords."""
    hashed = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True)
    return f"{user}:{hashed.stdout}"


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        ("/", None, 401),
        ("/events", None, 401),
        ("/actions/erase", RECEIVER, 401),
        ("/api/getPeople", RECEIVER, 401),
        ("/api/getPeople", ("coach", "guessed"), 401),
        ("/api/getPeople", SCREEN, 401),
        ("/grafana/", SCREEN, 401),
        ("/ingest/raw_ant_hr_packet", SCREEN, 401),
        ("/ingest/strap_assignment", SCREEN, 403),
        ("/", ("screen-hall", "guessed"), 401),
        ("/ingest/raw_ant_hr_packet", None, 401),
        ("/ingest/raw_ant_hr_packet", PERSON, 401),
        ("/ingest/raw_ant_hr_packet", RECEIVER, 200),
        ("/ingest/shard_3_raw_ant_hr_packet", RECEIVER, 200),
        ("/ingest/bluetooth_hr_packet", RECEIVER, 200),
        ("/ingest/strap_assignment", RECEIVER, 403),
        ("/ingest/person_profile", PERSON, 403),
        ("/api/getPeople", PERSON, 200),
        ("/", PERSON, 200),
        ("/events", PERSON, 200),
        ("/grafana/", PERSON, 200),
        ("/", SCREEN, 200),
        ("/data/people", SCREEN, 200),
        ("/events", SCREEN, 200),
    ],
)
def test_who_may_ask_for_what(proxy: Proxy, path: str, who: tuple[str, str] | None, status: int) -> None:
    assert proxy.ask(path, who).status_code == status


@pytest.mark.parametrize(
    "path", ["//api/x", "/./api/x", "/events/../api/x", "/%61pi/x", "/api%2Fx", "/events/..%2fapi/x"]
)
def test_no_way_of_writing_a_path_leads_a_screen_around_it(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path, PERSON).json()["upstream"] == proxy.upstreams["app"]
    assert proxy.ask(path, SCREEN).status_code == 401


@pytest.mark.parametrize(
    ("path", "who", "server", "told"),
    [
        ("/ingest/raw_ant_hr_packet", RECEIVER, "app", "Bearer ingest.token"),
        ("/api/getPeople?x=1", PERSON, "app", "Bearer api.token"),
        ("/people", PERSON, "live", None),
        ("/grafana/login", PERSON, "grafana", None),
        # Moose's own doors are none of the world's: the wall's server knows no such pages.
        ("/admin/inframap", PERSON, "live", None),
        ("/consumption/getPeople", PERSON, "live", None),
        ("/metrics", PERSON, "live", None),
    ],
)
def test_a_part_is_told_its_own_key_and_nobody_s_password(
    proxy: Proxy, path: str, who: tuple[str, str], server: str, told: str | None
) -> None:
    reached = proxy.ask(path, who).json()
    assert (reached["upstream"], reached["path"], reached["authorization"], reached["host"]) == (
        proxy.upstreams[server],
        path,
        told,
        DOMAIN,
    )


def test_the_inner_gateway_knows_moose_s_keys_and_nothing_else(proxy: Proxy) -> None:
    inner = f"http://127.0.0.1:{proxy.ports['8000']}"
    assert proxy.client.post(f"{inner}/ingest/x", content=b"{}").json()["authorization"] == "Bearer ingest.token"
    assert proxy.client.get(f"{inner}/api/x").json()["authorization"] == "Bearer api.token"
    assert {proxy.client.get(f"{inner}{path}").status_code for path in ("/", "/admin/inframap", "/metrics")} == {404}


def test_the_demonstration_answers_to_this_machine_s_names_only(proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{proxy.ports['4000']}/api/getPeople"
    assert proxy.client.get(url).status_code == 200
    assert proxy.client.get(url, headers={"Host": "rebound.example"}).status_code == 403


def test_headers_that_browsers_keep_to(proxy: Proxy) -> None:
    for path, who in (("/", PERSON), ("/api/getPeople", PERSON), ("/", None)):
        headers = proxy.ask(path, who).headers
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "nginx/" not in headers["Server"]


def test_no_other_site_s_page_is_let_in(proxy: Proxy) -> None:
    other = {"Origin": "https://evil.example"}
    assert "Access-Control-Allow-Origin" not in proxy.ask("/api/getPeople", PERSON, headers=other).headers
    asked = {**other, "Access-Control-Request-Method": "POST"}
    assert proxy.ask("/ingest/raw_ant_hr_packet", method="OPTIONS", headers=asked).status_code == 401


def test_a_body_has_an_end(proxy: Proxy) -> None:
    sent = {"method": "POST", "content": b"x" * (10 << 20)}
    assert proxy.ask("/ingest/raw_ant_hr_packet", RECEIVER, **sent).status_code == 200  # type: ignore[arg-type]
    sent["content"] = b"x" * ((10 << 20) + 1)
    assert proxy.ask("/ingest/raw_ant_hr_packet", RECEIVER, **sent).status_code == 413  # type: ignore[arg-type]
    assert proxy.ask("/actions/assign", PERSON, method="POST", content=b"x" * 20_000).status_code == 413


def test_plain_http_is_sent_to_tls_and_other_names_nowhere(proxy: Proxy) -> None:
    plain = proxy.client.get(f"http://127.0.0.1:{proxy.ports['8080']}/people", headers={"Host": "evil.example"})
    assert (plain.status_code, plain.headers["Location"]) == (301, f"https://{DOMAIN}/people")
    with pytest.raises(httpx.ConnectError):
        proxy.client.get(f"https://127.0.0.1:{proxy.ports['8443']}/", extensions={"sni_hostname": "evil.example"})


def test_who_is_no_longer_in_the_file_is_out(proxy: Proxy) -> None:
    second = ("usb-2", "lost")
    file = proxy.folder / "receivers.htpasswd"
    first = file.read_text()
    file.write_text(first + entry(*second))
    assert proxy.ask("/ingest/raw_ant_hr_packet", second).status_code == 200
    file.write_text(first)
    assert proxy.ask("/ingest/raw_ant_hr_packet", second).status_code == 401
    assert proxy.ask("/ingest/raw_ant_hr_packet", RECEIVER).status_code == 200


def test_the_log_names_nobody(nginx: str, tmp_path: Path, upstreams: dict[str, int]) -> None:
    secret = "token=Quorra&user_name=Quorra"
    told = {"Referer": f"https://{DOMAIN}/?who=Quorra"}
    packets = f"/ingest/raw_ant_hr_packet?{secret}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = {**upstreams, "app": silent.getsockname()[1], "live": free_port()}
        # However slowly this machine asks, it is too much.
        with serving(nginx, tmp_path, places, rate="1r/m", proxy_read_timeout="5s") as proxy:
            assert proxy.ask(f"/grafana/?{secret}", PERSON, headers=told).status_code == 200
            assert proxy.ask(f"/?{secret}", (PERSON[0], "guessed"), headers=told).status_code == 401
            assert proxy.ask(f"/?{secret}", PERSON, headers=told).status_code == 502, "nobody listens"
            assert proxy.ask(f"/api/getPeople?{secret}", PERSON, headers=told).status_code == 504, "nobody answers"
            long = b"x" * ((10 << 20) + 1)
            assert proxy.ask(packets, RECEIVER, method="POST", content=long, headers=told).status_code == 413
            # nginx calls this one critical.
            (tmp_path / "body").rename(tmp_path / "gone")
            assert proxy.ask(packets, RECEIVER, method="POST", content=long[1:], headers=told).status_code == 500
            flood = (proxy.ask(f"/grafana/?{secret}", SCREEN, headers=told).status_code for _ in range(600))
            assert 429 in flood
    written = {name: (tmp_path / name).read_text() for name in ("log", "access.log")}
    assert not [line for text in written.values() for line in text.splitlines() if "Quorra" in line]
    events = [json.loads(line) for line in written["access.log"].splitlines()]
    assert {"200", "401", "413", "429", "500", "502", "504"} <= {event["status"] for event in events}
    away = next(event for event in events if event["status"] == "502")
    assert away["upstream"] == f"127.0.0.1:{places['live']}", "it tells which part"
    assert (away["path"], away["user"]) == ("/", PERSON[0])


def test_a_receiver_s_name_and_password_may_stand_in_its_url(upstreams: dict[str, int]) -> None:
    sink = HttpSink(f"http://usb-1:heard@127.0.0.1:{upstreams['app']}", lambda _record, _reason: None)
    sink.send("raw_ant_hr_packet", ["{}"])
    sink.close()
    assert Echo.seen[-1] == httpx.BasicAuth("usb-1", "heard")._auth_header


ALIKE = 16
"""So many of these are the usual spelling but for the scheme's letters and blanks."""


def spellings(who: tuple[str, str]) -> list[str]:
    """Headers that nginx takes for the same name and password."""
    plain = ":".join(who).encode()
    usual = base64.b64encode(plain).decode()
    spare = usual.rstrip("=")
    assert spare != usual, "it has spare bits"
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    endings = ["", "===", *(usual[len(spare) :] + each for each in alphabet[:8])]
    return [
        *(
            f"{scheme}{blanks * ' '}{usual}"
            for scheme in ("Basic", "basic", "BASIC", "bAsIc")
            for blanks in (1, 2, 3, 9)
        ),
        *(f"Basic {spare}{ending}" for ending in endings),
        f"Basic {spare[:-1]}{alphabet[alphabet.index(spare[-1]) + 1]}{usual[len(spare) :]}",
        # The system's crypt() sees no more of a password.
        *(f"Basic {base64.b64encode(plain + bytes([0]) + each.encode()).decode()}" for each in ("", "a", "ab", "abc")),
    ]


def test_a_key_has_a_share_of_its_own(nginx: str, tmp_path: Path, upstreams: dict[str, int]) -> None:
    path = "/ingest/raw_ant_hr_packet"
    # However slowly this machine asks, it is too much.
    with serving(nginx, tmp_path, upstreams, rate="1r/m") as proxy:
        guessed = [proxy.ask(path, (RECEIVER[0], "guessed")).status_code for _ in range(20)]
        assert guessed == [401] * 20
        asked = [proxy.ask(path, RECEIVER).status_code for _ in range(110)]
        assert asked[:101] == [200] * 101, "it may save up, and a stranger's guesses are none of it"
        assert asked[-1] == 429
        # A name that is let in however it is spelled would have a share for each.
        spelled = [proxy.ask(path, headers={"Authorization": each}).status_code for each in spellings(RECEIVER)]
        assert spelled == [429] * ALIKE + [400] * (len(spelled) - ALIKE)
        assert proxy.ask("/", PERSON).status_code == 200


def test_a_key_has_one_spelling(proxy: Proxy) -> None:
    path = "/ingest/raw_ant_hr_packet"
    told = [proxy.ask(path, headers={"Authorization": each}).status_code for each in spellings(RECEIVER)]
    # Scheme and blanks may be any.
    assert told == [200] * ALIKE + [400] * (len(told) - ALIKE)
    assert proxy.ask(path, headers={"Authorization": "Bearer ingest.token"}).status_code == 400
    for length in range(1, 9):
        assert proxy.ask(path, ("usb-2", "ÿ~?" * length + "x" * (length % 3))).status_code == 401, "only unknown"
