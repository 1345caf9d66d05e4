"""Who may see what, and what is kept for how long."""

from urllib.parse import quote

from playwright.sync_api import BrowserContext, expect

from tests.api.conftest import Service


def test_pages_without_a_session_lead_to_the_login(context: BrowserContext, service: Service, study: str):
    page = context.new_page()
    page.goto(service.url + study)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert quote(study, safe="") in page.url


def test_a_login_leads_to_the_comparison_that_was_asked_for(context: BrowserContext, service: Service, visitor: str):
    page = context.new_page()
    page.goto(f"{service.url}/compare?a=zoo:mamba&b=zoo:samba")
    page.get_by_label("API key").fill(visitor)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Layer by layer")).to_be_visible()
    assert page.url.endswith("/compare?a=zoo:mamba&b=zoo:samba")


def test_a_study_of_somebody_else_is_not_there(service: Service, study: str):
    with service.client(service.key("stranger")) as client:
        response = client.get(study, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "text/html" in response.headers["Content-Type"]
    assert "There is no such thing" in response.text


def test_assets_are_kept_for_ever_and_nothing_else_is_served(service: Service):
    with service.client() as client:
        text = client.get("/login").text
        link = text.partition('stylesheet" href="')[2].partition('"')[0]
        response = client.get(link)
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Content-Encoding"] == "gzip"
        plain = client.get(link, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert plain.text == response.text
        for path in ("/static/style.css", "/static/..%2fviews.py", "/static/%2e%2e/views.py", "/static/"):
            assert client.get(path).status_code == 404
