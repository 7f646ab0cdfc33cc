"""What one client may use up of the server: sizes, times, requests in flight."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.plane import Plane

StartPlane = Callable[..., Plane]
ALONE = ("--nodes", "0", "--no-controllers")
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
WATCHES = (
    'apiserver_longrunning_requests{component="apiserver",group="",resource="configmaps",scope="namespace",'
    'subresource="",verb="WATCH",version="v1"}'
)


def connect(plane: Plane) -> ssl.SSLSocket:
    parts = urlsplit(plane.url)
    plain = socket.create_connection((parts.hostname, parts.port), timeout=30)
    return plane.tls.wrap_socket(plain, server_hostname=parts.hostname)


def head(plane: Plane, method: str, path: str, *lines: str) -> bytes:
    first = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {plane.token}", *lines]
    return ("\r\n".join(first) + "\r\n\r\n").encode()


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def wait_for_metric(plane: Plane, line: str) -> None:
    deadline = time.monotonic() + 10
    while line not in (text := plane.request("GET", "/metrics")[1]):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)


def ended(connection: socket.socket) -> bool:
    """Whether the server hangs up."""
    try:
        while connection.recv(65536):
            pass
    except (ConnectionError, ssl.SSLError):
        pass
    return True


@pytest.mark.parametrize("length", ["Content-Length: 900000000", "Transfer-Encoding: chunked"])
def test_a_body_that_is_too_large_is_refused_before_it_is_there(plane: Plane, length: str) -> None:
    with connect(plane) as connection:
        connection.sendall(head(plane, "POST", CONFIG_MAPS, "Content-Type: application/json", length))
        if "chunked" in length:
            connection.sendall(b"400000\r\n" + b" " * 0x400000)
        status, _, body = answer(connection)
        assert (status, json.loads(body)["message"]) == (413, "Request entity too large: limit is 3145728")
        assert ended(connection)


def test_the_rest_of_an_answered_request_is_not_read_for_ever(plane: Plane) -> None:
    with connect(plane) as connection:
        connection.sendall(head(plane, "POST", CONFIG_MAPS, "Content-Length: 900000000"))
        assert answer(connection)[0] == 413
        with pytest.raises((ConnectionError, ssl.SSLError)):
            for _ in range(4000):
                connection.sendall(b" " * 65536)


def test_a_head_has_a_size(plane: Plane) -> None:
    with connect(plane) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n")
        try:
            for number in range(40):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 60_000))
        except (ConnectionError, ssl.SSLError):
            pass
        status, _, _ = answer(connection)
        assert status == 431


def test_pipelined_requests_are_answered_in_order(plane: Plane) -> None:
    with connect(plane) as connection:
        paths = ["/version", "/api/v1/namespaces/default", "/nowhere"]
        connection.sendall(b"".join(head(plane, "GET", path) for path in paths))
        assert [answer(connection)[0] for _ in paths] == [200, 200, 404]


@pytest.fixture(scope="module")
def strict_plane() -> Iterator[Plane]:
    """One read at a time, and little patience."""
    plane = Plane.start(*ALONE, "--max-requests-inflight", "1", "--request-timeout", "500ms")
    yield plane
    plane.stop()


def test_a_body_that_does_not_come_is_given_up(strict_plane: Plane) -> None:
    with connect(strict_plane) as connection:
        connection.sendall(head(strict_plane, "POST", CONFIG_MAPS, "Content-Length: 100"))
        connection.sendall(b"{")
        status, _, body = answer(connection)
        assert (status, json.loads(body)["reason"]) == (504, "Timeout")
        assert ended(connection)


def test_requests_in_flight_are_bounded_and_watches_are_apart(strict_plane: Plane) -> None:
    for number in range(16):
        obj = {"metadata": {"name": f"large-{number}"}, "data": {"a": "x" * 1_000_000}}
        assert strict_plane.request("POST", CONFIG_MAPS, obj)[0] == 201
    holding, *others = (connect(strict_plane) for _ in range(4))
    holding.sendall(head(strict_plane, "GET", CONFIG_MAPS))
    assert holding.recv(1), "the list is being sent, and we do not read it"
    for number, connection in enumerate(others):
        wait_for_metric(strict_plane, f'current_inqueue_requests{{request_kind="readOnly"}} {number}.0')
        connection.sendall(head(strict_plane, "GET", CONFIG_MAPS + "/large-0"))
    status, headers, body = answer(others[-1])
    assert (status, headers["retry-after"], body) == (429, "1", b"Too many requests, please try again later.\n")
    assert strict_plane.request("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0")[0] == 200
    assert strict_plane.request("DELETE", CONFIG_MAPS + "/large-1")[0] == 200, "writes have seats of their own"
    holding.close()
    assert [answer(connection)[0] for connection in others[:2]] == [200, 200]
    assert "apiserver_flowcontrol_rejected_requests_total" in strict_plane.request("GET", "/metrics")[1]
    for connection in others:
        connection.close()


def test_watches_leave_nothing_behind_when_their_clients_go(start_plane: StartPlane) -> None:
    plane = start_plane(*ALONE)
    descriptors = Path(f"/proc/{plane.process.pid}/fd")
    for _ in range(3):
        before = len(list(descriptors.iterdir()))
        open_watches = [connect(plane) for _ in range(40)]
        for connection in open_watches:
            connection.sendall(head(plane, "GET", CONFIG_MAPS + "?watch=1"))
        wait_for_metric(plane, WATCHES + " 40.0")
        for connection in open_watches:
            connection.close()
        wait_for_metric(plane, WATCHES + " 0.0")
        assert len(list(descriptors.iterdir())) <= before + 1


def test_a_watch_ends_when_it_was_asked_to_and_the_connection_goes_on(plane: Plane) -> None:
    """The second request is sent while the watch is open: its answer follows the watch's end."""
    with connect(plane) as connection:
        watch = head(plane, "GET", CONFIG_MAPS + "?watch=1&timeoutSeconds=1&labelSelector=nothing%3Dmatches")
        connection.sendall(watch + head(plane, "GET", "/api/v1/namespaces/default"))
        status, headers, body = answer(connection)
        assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"")
        assert answer(connection)[0] == 200
        connection.sendall(head(plane, "GET", "/api/v1/namespaces/kube-system"))
        assert answer(connection)[0] == 200


def test_a_watch_with_a_request_behind_it_ends_with_its_connection(start_plane: StartPlane) -> None:
    plane = start_plane(*ALONE)
    with connect(plane) as connection:
        connection.sendall(head(plane, "GET", CONFIG_MAPS + "?watch=1") + head(plane, "GET", "/version"))
        wait_for_metric(plane, WATCHES + " 1.0")
    wait_for_metric(plane, WATCHES + " 0.0")


def test_told_to_stop_it_finishes_what_it_began(start_plane: StartPlane) -> None:
    plane = start_plane(*ALONE, "--shutdown-delay-duration", "1s")
    body = json.dumps({"metadata": {"name": "late"}}).encode()
    watch, write = connect(plane), connect(plane)
    watch.sendall(head(plane, "GET", CONFIG_MAPS + "?watch=1"))
    write.sendall(head(plane, "POST", CONFIG_MAPS, f"Content-Length: {len(body)}") + body[:5])
    assert watch.recv(1)
    plane.process.send_signal(signal.SIGTERM)
    plane.eventually_status("/readyz", 500)
    write.sendall(body[5:])
    assert answer(write)[0] == 201
    assert plane.process.wait(10) == 0
    ending = b""
    while chunk := watch.recv(65536):
        ending += chunk
    assert ending.endswith(b"0\r\n\r\n"), "the watch ends as an answer does"


def test_a_watcher_that_does_not_read_is_cut_off_and_holds_nobody_up(start_plane: StartPlane) -> None:
    plane = start_plane(*ALONE)
    with connect(plane) as idle, connect(plane) as reading:
        for connection in (idle, reading):
            connection.sendall(head(plane, "GET", CONFIG_MAPS + "?watch=1"))
        wait_for_metric(plane, WATCHES + " 2.0")
        for number in range(60):
            obj = {"metadata": {"name": f"large-{number}"}, "data": {"a": "x" * 1_000_000}}
            assert plane.request("POST", CONFIG_MAPS, obj)[0] == 201
            seen = b""
            while f'"large-{number}"'.encode() not in seen or not seen.endswith(b"\r\n"):
                seen += reading.recv(1 << 20)
        wait_for_metric(plane, "miniplane_watches_cut_off_total 1.0")
        wait_for_metric(plane, "miniplane_watch_queue_frames 0.0")
        ending = b""
        while not ending.endswith(b"\r\n0\r\n\r\n"):
            ending = ending[-8:] + idle.recv(1 << 20)


def test_an_answer_to_head_is_sent(plane: Plane) -> None:
    with connect(plane) as connection:
        connection.sendall(head(plane, "HEAD", "/version") + head(plane, "GET", "/api/v1/namespaces/default"))
        first = b""
        while b"\r\n\r\n" not in first:
            first += connection.recv(1)
        assert first.startswith(b"HTTP/1.1 ")
        assert answer(connection)[0] == 200, "and nothing of a body before the next answer"


def test_who_waits_to_be_told_to_go_on_is_told(plane: Plane) -> None:
    body = json.dumps({"metadata": {"generateName": "expect-"}}).encode()
    with connect(plane) as connection:
        connection.sendall(head(plane, "POST", CONFIG_MAPS, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert answer(connection)[0] == 201
