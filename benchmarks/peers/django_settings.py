"""Django's settings; each application sets its own URLs and middleware."""

from __future__ import annotations

from ..workloads import SECRET
from . import shared

SECRET_KEY = SECRET
ALLOWED_HOSTS = ["*"]
MIDDLEWARE: list[str] = []
INSTALLED_APPS: list[str] = []
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_NAME = "session"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [shared.TEMPLATES],
    }
]
USE_I18N = False
