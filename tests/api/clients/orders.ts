// Calls examples/orders with the clients that scripts/api_clients.py has made of its document:
// `paths.d.ts` of openapi-typescript, for openapi-fetch, and `sdk/` of @hey-api/openapi-ts.
// Compiled in strict mode, so what the document says of types is tried as well. The service's
// URL and the keys come in the environment; a line a step, exit code 1 for what is wrong.

import createFetchClient from "openapi-fetch";

import type { paths } from "./paths";
import * as sdk from "./sdk";
import { createClient } from "./sdk/client";

declare const process: { env: Record<string, string>; exitCode: number };

const baseUrl = process.env["ORDERS_URL"]!;
const clerk = process.env["ORDERS_CLERK"]!;
const manager = process.env["ORDERS_MANAGER"]!;

function check(what: string, isRight: boolean, found: unknown): void {
  console.log(`${isRight ? "ok" : "WRONG"}: ${what}`);
  if (!isRight) {
    console.log(JSON.stringify(found));
    process.exitCode = 1;
  }
}

async function withOpenapiTypescript(): Promise<void> {
  const anybody = createFetchClient<paths>({ baseUrl });
  const known = createFetchClient<paths>({ baseUrl, headers: { "X-API-Key": clerk } });

  const listed = await anybody.GET("/products", { params: { query: { words: "mug", per_page: 1 } } });
  const names: string[] = (listed.data ?? []).map((product) => product.name);
  check("openapi-typescript: a page of a list", names.length === 1, listed.data);
  check(
    "openapi-typescript: its Link field",
    (listed.response.headers.get("Link") ?? "").includes('rel="next"'),
    [...listed.response.headers],
  );

  const unknown = await anybody.POST("/orders", { body: { customer: 1, lines: [{ sku: "mug-blue" }] } });
  check("openapi-typescript: no key", unknown.error?.status === 401, unknown.error);

  const placed = await known.POST("/orders", {
    body: { customer: 1, lines: [{ sku: "mug-blue", quantity: 2 }], wanted_by: "2027-01-31" },
  });
  const number: number = placed.data!.number;
  const status: "new" | "paid" | "sent" | "cancelled" = placed.data!.status;
  check("openapi-typescript: a body is taken", placed.response.status === 201, placed.error);
  check("openapi-typescript: an enum of the answer", status === "new", placed.data);

  const changed = await known.PUT("/orders/{number}/status", {
    params: { path: { number } },
    body: { status: "paid" },
  });
  check("openapi-typescript: a path is filled", changed.data?.status === "paid", changed.error);

  const wrong = await known.POST("/orders", { body: { customer: 0, lines: [] } });
  const where = wrong.error?.errors?.[0]?.location.join(".");
  check("openapi-typescript: a problem says where", where === "body.customer", wrong.error);

  const lines = await known.GET("/orders/export", { parseAs: "text" });
  const first: unknown = JSON.parse((lines.data ?? "").split("\n")[0] ?? "");
  check("openapi-typescript: lines of JSON", (first as { number: number }).number === number, first);
}

async function withHeyApi(): Promise<void> {
  const client = createClient({ baseUrl, auth: clerk });
  const boss = createClient({ baseUrl, auth: manager });

  const shown = await sdk.productsShowProduct({ client, path: { sku: "pot-iron" } });
  const price: string | undefined = shown.data?.price;
  check("openapi-ts: a product", price === "64.50", shown.data ?? shown.error);

  const added = await sdk.ordersAddCustomer({
    client,
    body: { name: "Grace", email: "grace@example.com" },
  });
  check("openapi-ts: a body is taken", added.response?.status === 201, added.error);

  const asked = { client, body: { customer: added.data!.number, lines: [{ sku: "board-oak" }] } };
  const headers = { "Idempotency-Key": "once" };
  const placed = await sdk.ordersPlaceOrder({ ...asked, headers });
  const again = await sdk.ordersPlaceOrder({ ...asked, headers });
  check("openapi-ts: a header field is sent", again.response?.status === 200, again.error);
  check("openapi-ts: and read", placed.data!.number === again.data!.number, again.data);

  const refused = await sdk.productsPutProduct({
    client,
    path: { sku: "lid-iron" },
    body: { name: "Lid", price: "9.00" },
  });
  check("openapi-ts: a role is missing", refused.error?.status === 403, refused.error);

  const picture = new Blob([new Uint8Array([137, 80, 78, 71])], { type: "image/png" });
  const sent = await sdk.productsPutPicture({
    client: boss,
    path: { sku: "mug-white" },
    body: { picture },
  });
  check("openapi-ts: a file is sent", sent.response?.status === 204, sent.error);

  const gone = await sdk.ordersShowOrder({ client, path: { number: 4711 } });
  check("openapi-ts: a problem", gone.error?.title === "Not Found", gone.error);
}

withOpenapiTypescript()
  .then(withHeyApi)
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
