"""The example with orders: through the test client, over its own server, and from clients."""

from __future__ import annotations

import http.client
import importlib
import io
import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples.orders import create_app  # noqa: E402
from examples.orders.app import CLERK_KEY, MANAGER_KEY  # noqa: E402
from scripts.api_fuzz import serving  # noqa: E402

PATIENCE_S = 30
CLERK = {"X-API-Key": CLERK_KEY}
MANAGER = {"X-API-Key": MANAGER_KEY}
TWO_MUGS = {"customer": 1, "lines": [{"sku": "mug-blue", "quantity": 2}]}


@pytest.fixture
def app(tmp_path):
    return create_app({"DATABASE": str(tmp_path / "orders.db")})


@pytest.fixture(params=["wsgi", "asgi", "rsgi"])
def client(app, request):
    return app.test_client(door=request.param)


@pytest.fixture
def wsgi(app):
    return app.test_client()


# Products.


def test_anybody_sees_what_is_sold(client):
    answer = client.get("/products?words=mug&in_stock=true")
    assert answer.json == [{"sku": "mug-blue", "name": "Mug, blue", "price": "9.90", "stock": 1000}]


def test_a_list_is_read_in_pages(client):
    first = client.get("/products?per_page=3")
    assert len(first.json) == 3 and 'rel="next"' in first.headers["Link"]
    second = client.get("/products?per_page=3&page=2")
    assert [each["sku"] for each in second.json] == ["pot-iron"]


def test_a_product_that_is_known_is_not_sent_again(client):
    first = client.get("/products/mug-blue")
    again = client.get("/products/mug-blue", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_msgpack_is_spoken_as_well(client):
    offer = msgspec.msgpack.encode({"name": "Mug, red", "price": "9.50", "stock": 3})
    headers = MANAGER | {"Accept": "application/vnd.msgpack"}
    answer = client.put(
        "/products/mug-red", data=offer, content_type="application/vnd.msgpack", headers=headers
    )
    assert msgspec.msgpack.decode(answer.data)["price"] == "9.50"


def test_a_manager_gives_a_product_a_picture(client):
    path = "/products/mug-blue/picture"
    assert client.get(path).status_code == 404
    picture = {"picture": (io.BytesIO(b"\x89PNG"), "mug.png", "image/png")}
    assert client.put(path, data=picture, headers=MANAGER).status_code == 204
    answer = client.get(path)
    assert (answer.mimetype, answer.data) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize(
    ("kind", "size", "status"), [("image/gif", 4, 422), ("image/png", 200_001, 413)]
)
def test_another_picture_is_refused(wsgi, kind, size, status):
    picture = {"picture": (io.BytesIO(b"x" * size), "mug", kind)}
    answer = wsgi.put("/products/mug-blue/picture", data=picture, headers=MANAGER)
    assert answer.status_code == status


def test_only_a_manager_changes_what_is_sold(client):
    offer = {"name": "Mug", "price": "1.00"}
    for headers, status in (({}, 401), ({"X-API-Key": "wrong"}, 401), (CLERK, 403), (MANAGER, 200)):
        answer = client.put("/products/mug-blue", json=offer, headers=headers)
        assert answer.status_code == status
    assert client.get("/products/mug-blue").json["price"] == "1.00"


# Customers and orders.


def test_an_address_belongs_to_one_customer(client):
    new = {"name": "Grace", "email": "grace@example.com"}
    made = client.post("/customers", json=new, headers=CLERK)
    assert made.status_code == 201
    assert client.get(f"/customers/{made.json['number']}", headers=CLERK).json == made.json
    again = client.post("/customers", json=new, headers=CLERK)
    assert (again.status_code, again.mimetype) == (409, "application/problem+json")


def test_an_order_is_placed_and_taken_out_of_stock(client):
    made = client.post("/orders", json=TWO_MUGS, headers=CLERK)
    assert made.status_code == 201
    assert made.json["total"] == "19.80" and made.json["clerk"] == "ada"
    assert client.get(made.headers["Location"], headers=CLERK).json == made.json
    assert client.get("/products/mug-blue").json["stock"] == 998


def test_the_same_request_places_one_order(client):
    headers = CLERK | {"Idempotency-Key": "a"}
    first = client.post("/orders", json=TWO_MUGS, headers=headers)
    again = client.post("/orders", json=TWO_MUGS, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"customer": 99}, "There is no customer 99."),
        ({"lines": [{"sku": "piano"}]}, "There is no product piano."),
        ({"lines": [{"sku": "mug-blue"}, {"sku": "mug-white"}]}, "Of mug-white, 0 are left."),
    ],
)
def test_an_order_that_cannot_be_is_refused_whole(wsgi, change, says):
    answer = wsgi.post("/orders", json=TWO_MUGS | change, headers=CLERK)
    assert (answer.status_code, answer.json["detail"]) == (409, says)
    assert wsgi.get("/products/mug-blue").json["stock"] == 1000


def test_what_is_wrong_in_an_order_is_named(wsgi):
    wrong = TWO_MUGS | {"lines": [{"sku": "mug-blue"}, {"sku": "mug-blue", "quantity": 0}]}
    answer = wsgi.post("/orders", json=wrong, headers=CLERK)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["location"] == ["body", "lines", 1, "quantity"]


def test_an_order_goes_its_way_and_no_other(client):
    path = client.post("/orders", json=TWO_MUGS, headers=CLERK).headers["Location"] + "/status"
    for status, code in (("sent", 409), ("paid", 200), ("sent", 200), ("cancelled", 409)):
        answer = client.put(path, json={"status": status}, headers=CLERK)
        assert answer.status_code == code
    assert (
        client.put("/orders/99/status", json={"status": "paid"}, headers=CLERK).status_code == 404
    )


def test_orders_are_listed_and_exported(client):
    for _ in range(3):
        client.post("/orders", json=TWO_MUGS, headers=CLERK)
    found = client.get("/orders?status=new&since=2026-01-01&per_page=2", headers=CLERK)
    assert [each["number"] for each in found.json] == [3, 2]
    export = client.get("/orders/export?customer=1", headers=CLERK)
    assert export.mimetype == "application/x-ndjson"
    assert [json.loads(line)["number"] for line in export.data.splitlines()] == [3, 2, 1]


def test_threads_share_the_database(app):
    def place() -> None:
        answers.append(app.test_client().post("/orders", json=TWO_MUGS, headers=CLERK).status_code)

    answers: list[int] = []
    threads = [threading.Thread(target=place) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert answers == [201] * 8
    assert app.test_client().get("/products/mug-blue").json["stock"] == 984


# The document, and what is made of it.


def test_the_document_beside_the_example_is_up_to_date():
    words = [sys.executable, "-m", "hipflask", "openapi", "--app", "examples.orders", "--check"]
    checked = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_page_tells_of_each_operation(wsgi):
    document = wsgi.get("/openapi.json").json
    assert document == json.loads((ROOT / "examples/orders/openapi.json").read_text())
    page = wsgi.get("/docs?plain").text
    for path, item in document["paths"].items():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in page
        assert path.replace("/", "/<wbr>") in page


def test_a_client_made_of_the_document_calls_the_service(tmp_path, monkeypatch):
    pytest.importorskip("openapi_python_client")
    config = tmp_path / "config.yml"
    config.write_text("post_hooks: []\n")
    words = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    words += ["--path", str(ROOT / "examples/orders/openapi.json"), "--config", str(config)]
    made = subprocess.run(
        [*words, "--output-path", str(tmp_path / "shop_client")], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        call_with_client(tmp_path)
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop_client"]:
            del sys.modules[name]


def call_with_client(folder: Path) -> None:
    def of(name: str):
        return importlib.import_module(f"shop_client.{name}")

    models, api = of("models"), "api.orders.orders_"
    with serving("examples.orders:create_app", folder) as port:
        root = f"http://127.0.0.1:{port}"
        known = of("client").AuthenticatedClient(
            base_url=root, token=CLERK_KEY, prefix="", auth_header_name="X-API-Key"
        )
        with known as shop:
            new = models.NewOrder(customer=1, lines=[models.LineInput(sku="mug-blue", quantity=2)])
            order = of(api + "place_order").sync(client=shop, body=new)
            assert (order.total, order.status) == ("19.80", models.Status.NEW)
            change = models.Change(status=models.Status.PAID)
            paid = of(api + "change_order").sync(order.number, client=shop, body=change)
            assert paid.status is models.Status.PAID
            found = of(api + "list_orders").sync(client=shop, status=models.Status.PAID)
            assert [each.to_dict() for each in found] == [paid.to_dict()]
            again = of(api + "change_order").sync_detailed(order.number, client=shop, body=change)
            assert again.status_code == 409
            assert again.parsed.to_dict()["type"] == "/problems/not-possible"
        stranger = of("client").Client(base_url=root)
        with stranger as shop:
            shown = of("api.products.products_show_product").sync("mug-blue", client=shop)
            assert (shown.stock, shown.price) == (998, "9.90")
            refused = of(api + "show_order").sync_detailed(order.number, client=shop)
            assert refused.status_code == 401


# As a visitor meets it.


def test_it_serves_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERS_DATABASE", str(tmp_path / "orders.db"))
    from scripts.api_fuzz import free_port

    bind = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.orders", "--bind", bind],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        line = next(line for line in process.stdout if "serving" in line)
        assert bind in line
        connection = http.client.HTTPConnection(bind, timeout=PATIENCE_S)
        connection.request("GET", "/docs?plain")
        assert re.search(rb"12 endpoints", connection.getresponse().read())
        connection.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
