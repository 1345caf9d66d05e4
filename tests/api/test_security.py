"""Who may do what: every operation of the API, found in its description, against every kind of caller."""

import logging
from dataclasses import dataclass

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from api.app import ROUTERS, create_app
from api.pages import views
from api.security import SESSION_COOKIE
from nas.keys import Scope
from nas.store.api_keys import create_key, list_keys, revoke_key
from nas.study import StudyState
from tests.api.conftest import Service
from tests.api.seeding import Driver

DIGEST = "0" * 64
SPEC = {"name": "matrix", "space": {"preset": "recall_demo"}}
APP = create_app()
KEY = {"owner": "somebody", "scopes": ["read"]}
LACKING: dict[str, tuple[Scope, ...]] = {"read": ("write",), "write": ("read",), "admin": ("read", "write")}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    scope: str | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, client: httpx.Client, study_id: str, key_id: str = "0" * 12) -> httpx.Response:
        path = self.path.format(study_id=study_id, number=0, key_id=key_id, digest=DIGEST, name="samba")
        body = (
            {"/v1/studies": SPEC, "/v1/studies:check": SPEC, "/v1/keys": KEY}.get(self.path) if self.method == "POST" else None
        )
        return client.request(self.method, path, json=body)


def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, operation["security"][0]["key"][0] if "security" in operation else None)
        for path, operations in APP.openapi()["paths"].items()
        for method, operation in operations.items()
    ]


GUARDED = [operation for operation in operations() if operation.scope]
OF_STUDIES = [operation for operation in GUARDED if "{study_id}" in operation.path]


@pytest.fixture(scope="module")
def study_id(service: Service) -> str:
    """A study that has ended, with a trial, of an owner called alice."""
    with service.client(service.key("alice")) as client:
        found: str = client.post("/v1/studies", json=SPEC).json()["row"]["id"]
    driver = Driver(service.engine, found)
    driver.become(StudyState.RUNNING)
    driver.add_trials(1)
    driver.become(StudyState.FAILED, "to be final")
    return found


def test_every_route_is_described_and_every_description_has_a_route():
    def of(router: APIRouter) -> set[tuple[str, str]]:
        return {
            (method, route.path) for route in router.routes if isinstance(route, APIRoute) for method in route.methods or ()
        }

    described = {(operation.method, operation.path) for operation in operations()}
    assert set().union(*(of(module.router) for module in ROUTERS)) == described
    assert not any(path.startswith("/v1") for _, path in of(views.router))
    # beside the routers of the API and the one of the pages there is only the description itself
    assert len(APP.routes) == len(ROUTERS) + 2


def test_only_health_is_open():
    assert {operation.path for operation in operations() if not operation.scope} == {"/healthz", "/readyz", "/metrics"}


@pytest.mark.parametrize("operation", GUARDED, ids=str)
def test_without_a_live_key_nothing_is_possible(service: Service, study_id: str, operation: Operation):
    revoked = create_key(service.engine, "alice", ("admin",))
    revoke_key(service.engine, revoked.key_id)
    wrong = service.key("alice", "admin")[:-4] + "AAAA"
    for token in (None, "", "nas_", "nas_x_y", "x" * 10_000, wrong, revoked.token):
        with service.client(token) as client:
            response = operation.send(client, study_id)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json()["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["/v1/studies", "/v1/studies:check", "/v1/keys"])
@pytest.mark.parametrize("body", [b"{", b"x" * 2_000_000])
def test_bodies_of_strangers_stay_unread(service: Service, path: str, body: bytes):
    with service.client() as stranger, service.client(service.key("alice", "write")) as writer:
        assert stranger.post(path, content=body, headers={"Content-Type": "application/json"}).status_code == 401
        if path != "/v1/studies":
            assert writer.post(path, content=body, headers={"Content-Type": "text/plain"}).status_code == 403


@pytest.mark.parametrize("operation", GUARDED, ids=str)
def test_without_the_scope_nothing_is_possible(service: Service, study_id: str, operation: Operation):
    assert operation.scope is not None
    with service.client(service.key("alice", *LACKING[operation.scope])) as client:
        response = operation.send(client, study_id)
    assert response.status_code == 403
    assert operation.scope in response.json()["detail"]


@pytest.mark.parametrize("operation", OF_STUDIES, ids=str)
def test_anothers_study_does_not_exist(service: Service, study_id: str, operation: Operation):
    unknown = study_id[:-1] + ("0" if study_id[-1] != "0" else "1")
    with service.client(service.key("mallory")) as client:
        foreign, absent = operation.send(client, study_id), operation.send(client, unknown)
    assert foreign.status_code == absent.status_code == 404
    assert foreign.json()["detail"].replace(study_id, unknown) == absent.json()["detail"]


@pytest.mark.parametrize("operation", OF_STUDIES, ids=str)
def test_the_owner_and_an_admin_get_the_same_answer(service: Service, study_id: str, operation: Operation):
    with service.client(service.key("alice")) as client, service.client(service.key("root", "admin")) as admin:
        own, seen = operation.send(client, study_id), operation.send(admin, study_id)
    assert own.status_code == seen.status_code
    assert own.status_code == (409 if operation.path.endswith((":pause", ":resume", ":stop", "/export")) else 200)


def test_lists_hold_ones_own_studies_unless_admin(service: Service, study_id: str):
    with service.client(service.key("mallory")) as client, service.client(service.key("root", "admin")) as admin:
        assert client.get("/v1/studies").json()["items"] == []
        assert study_id in {row["id"] for row in admin.get("/v1/studies?limit=500").json()["items"]}


def test_keys_are_made_listed_and_revoked_by_an_admin(service: Service, admin: httpx.Client):
    made = admin.post("/v1/keys", json={"owner": "carol", "scopes": ["read", "write"], "label": "laptop"})
    assert made.status_code == 201
    key_id, token = made.json()["key_id"], made.json()["token"]
    with service.client(token) as carol:
        assert carol.get("/v1/studies").status_code == 200
        assert admin.delete(f"/v1/keys/{key_id}").status_code == 204
        assert carol.get("/v1/studies").status_code == 401
    listed = next(key for key in admin.get("/v1/keys").json() if key["key_id"] == key_id)
    assert listed["owner"] == "carol"
    assert listed["scopes"] == ["read", "write"]
    assert listed["revoked_at"]
    assert token.split("_", 2)[2] not in admin.get("/v1/keys").text
    assert admin.delete("/v1/keys/000000000000").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"owner": "x", "scopes": ["root"]}, "/scopes/0"),
        ({"owner": "x", "scopes": []}, "/scopes"),
        ({"owner": "", "scopes": ["read"]}, "/owner"),
        ({"owner": "\x1b[2J", "scopes": ["read"]}, "/owner"),
        ({"owner": "x", "scopes": ["read"], "admin": True}, "/admin"),
    ],
)
def test_bad_keys_are_refused(service: Service, admin: httpx.Client, body: dict[str, object], pointer: str):
    before = len(list_keys(service.engine))
    response = admin.post("/v1/keys", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer
    assert len(list_keys(service.engine)) == before


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/v1/studies", "/nowhere", "/login", "/", "/static/none"])
def test_every_response_carries_the_security_headers(service: Service, path: str):
    with service.client() as client:
        for response in (client.get(path), client.post(path), client.get(path, headers={"Host": "evil"})):
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert len(response.headers["X-Request-ID"]) == 32
            assert "Access-Control-Allow-Origin" not in response.headers


def test_a_session_acts_only_for_our_own_pages(service: Service, study_id: str):
    """A cookie comes with every request a browser makes: other sites' requests must not change anything."""
    token = service.key("alice")
    with service.client() as browser:
        assert browser.post("/login", data={"key": token}).status_code == 403
        signed_in = browser.post("/login", data={"key": token}, headers={"Origin": service.url})
        assert signed_in.status_code == 303
        cookie = signed_in.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert token.split("_", 2)[2] not in cookie
        assert browser.get("/v1/studies").status_code == 200
        for origin in (None, "null", "http://evil.example", service.url + "0", "https" + service.url.removeprefix("http")):
            headers = {"Origin": origin} if origin else {}
            for path in (f"/v1/studies/{study_id}:pause", f"/studies/{study_id}/pause", "/logout"):
                data: dict[str, str] | None = {} if path == "/logout" else None
                assert browser.post(path, data=data, headers=headers).status_code in (403, 415)
        assert browser.post(f"/v1/studies/{study_id}:pause", headers={"Origin": service.url}).status_code == 409
        assert browser.post("/logout", data={"x": "y"}, headers={"Origin": service.url}).status_code == 303
        assert browser.get("/v1/studies").status_code == 401


def test_a_session_is_no_key_and_ends_at_logout_and_with_its_key(service: Service):
    ours = {"Origin": service.url}
    minted = create_key(service.engine, "alice", ("read",))
    with service.client() as browser:
        browser.post("/login", data={"key": minted.token}, headers=ours)
        kept = dict(browser.cookies)
        with service.client(kept[SESSION_COOKIE]) as thief:
            assert thief.get("/v1/studies").status_code == 401
        browser.post("/logout", data={"x": "y"}, headers=ours)
        browser.cookies.update(kept)
        assert browser.get("/v1/studies").status_code == 401
        browser.cookies.clear()
        browser.post("/login", data={"key": minted.token}, headers=ours)
        assert browser.get("/v1/studies").status_code == 200
        revoke_key(service.engine, minted.key_id)
        assert browser.get("/v1/studies").status_code == 401


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/studies/\\evil", "javascript:1"]
)
def test_login_leads_nowhere_else(service: Service, target: str):
    with service.client() as browser:
        form, headers = {"key": service.key("alice")}, {"Origin": service.url}
        assert browser.post("/login", params={"next": target}, data=form, headers=headers).headers["Location"] == "/"
        kept = browser.post("/login", params={"next": "/studies/x"}, data=form, headers=headers)
        assert kept.headers["Location"] == "/studies/x"


def test_a_login_is_no_larger_than_a_key(service: Service):
    with service.client() as browser:
        for form in ({"key": "x" * 20_000}, dict.fromkeys(map(str, range(5000)), "x")):
            assert browser.post("/login", data=form, headers={"Origin": service.url}).status_code == 413


def test_a_wrong_key_does_not_sign_in(service: Service):
    with service.client() as browser:
        refused = browser.post("/login", data={"key": "nas_a_b"}, headers={"Origin": service.url})
        assert refused.status_code == 401
        assert "Set-Cookie" not in refused.headers


def test_keys_stay_out_of_logs_errors_and_metrics(service: Service, caplog: pytest.LogCaptureFixture):
    token = service.key("alice")
    secret = token.split("_", 2)[2]
    with caplog.at_level(logging.DEBUG), service.client(token) as client:
        answers = [
            client.get("/v1/studies/none"),
            client.post("/v1/studies", json={"name": token}),
            client.get("/v1/studies", headers={"Authorization": f"Bearer {token}x"}),
            client.get("/metrics"),
        ]
    assert all(secret not in answer.text for answer in answers[2:])
    server_log = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert secret not in server_log
