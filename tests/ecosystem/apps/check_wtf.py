import re

from wtf_app import create_app


def token_of(browser):
    return re.search('name="csrf_token".*?value="([^"]+)"', browser.get("/").text)[1]


def test_a_form_without_token_is_refused(serve):
    browser = serve(create_app())
    reply = browser.post_form("/", {"name": "a", "age": "3"})
    assert reply.status == 400
    assert "CSRF" in reply.text


def test_a_valid_form_is_taken_and_thanked(serve):
    browser = serve(create_app())
    fields = {"name": "<ada>", "age": "36", "csrf_token": token_of(browser)}
    assert browser.post_form("/", fields).status == 302
    assert "<p>&lt;ada&gt; (36) sent 0</p>" in browser.get("/").text
    assert "<p>" not in browser.get("/").text


def test_a_wrong_form_says_what_is_wrong(serve):
    browser = serve(create_app())
    reply = browser.post_form("/", {"age": "900", "csrf_token": token_of(browser)})
    assert reply.status == 200
    assert "name: This field is required." in reply.text
    assert "age: Number must be between" in reply.text


def upload(browser, filename, token):
    fields = {"csrf_token": token, "name": "bob", "age": "7"}
    head = "--b\r\nContent-Disposition: form-data; name="
    body = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    body += f'{head}"picture"; filename="{filename}"\r\nContent-Type: image/png\r\n\r\nPIXELS\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return browser.send("POST", "/", (body + "--b--\r\n").encode(), kind)


def test_uploads_are_read_and_filtered_by_name(serve):
    browser = serve(create_app())
    token = token_of(browser)
    assert upload(browser, "x.png", token).status == 302
    assert "bob (7) sent 6" in browser.get("/").text
    assert "png only" in upload(browser, "x.exe", token).text


def test_the_protection_reads_a_header_too(serve):
    browser = serve(create_app())
    token = browser.get("/token").text
    assert browser.send_json("/api", {}).status == 400
    assert browser.send_json("/api", {}, X_CSRFToken=token).json == {"ok": True}
    assert browser.send_json("/api", {}, X_CSRFToken=token + "x").status == 400
    assert browser.send_json("/hook", {}).json == {"hook": True}
