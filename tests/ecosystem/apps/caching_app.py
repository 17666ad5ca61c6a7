"""Expensive answers kept by Flask-Caching."""

from flask import Flask, render_template_string, request
from flask_caching import Cache

cache = Cache()
calls = []


def create_app():
    app = Flask(__name__)
    cache.init_app(app, {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 300})
    calls.clear()

    @app.get("/page")
    @cache.cached()
    def page():
        calls.append("page")
        return f"page {len(calls)}"

    @app.get("/query")
    @cache.cached(query_string=True)
    def query():
        calls.append("query")
        return f"{request.args.get('q')} {len(calls)}"

    @cache.memoize()
    def slow(n):
        calls.append(n)
        return n * n

    @app.get("/square/<int:n>")
    def square(n):
        return str(slow(n))

    @app.post("/forget/<int:n>")
    def forget(n):
        cache.delete_memoized(slow, n)
        return "", 204

    @app.get("/unless")
    @cache.cached(unless=lambda: "fresh" in request.args, key_prefix="unless/%s")
    def unless():
        calls.append("unless")
        return {"calls": len(calls)}

    @app.get("/fragment")
    def fragment():
        calls.append("fragment")
        template = "{% cache 60, 'part' %}part {{ n }}{% endcache %} whole {{ n }}"
        return render_template_string(template, n=len(calls))

    return app
