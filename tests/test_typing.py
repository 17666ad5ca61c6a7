"""The annotations at run time: they name what dispatch takes and what an application has."""

import typing

import pytest

import hipflask.typing as ft
from hipflask import Flask


@pytest.mark.parametrize(
    "name",
    [
        "ResponseValue", "HeaderValue", "HeadersValue", "ResponseReturnValue", "ResponseClass",
        "AppOrBlueprintKey", "AfterRequestCallable", "BeforeFirstRequestCallable",
        "BeforeRequestCallable", "ShellContextProcessorCallable", "TeardownCallable",
        "TemplateContextProcessorCallable", "TemplateFilterCallable", "TemplateGlobalCallable",
        "TemplateTestCallable", "URLDefaultCallable", "URLValuePreprocessorCallable",
        "ErrorHandlerCallable", "RouteCallable",
    ],
)  # fmt: skip
def test_names_of_flask_typing_are_here(name):
    assert hasattr(ft, name)


def test_application_has_every_member_of_the_protocol():
    members = {name for name in vars(ft.Application) if not name.startswith("__")}
    members -= {"_abc_impl", "_is_protocol", "_is_runtime_protocol"}
    app = Flask(__name__)
    assert len(members) > 40
    assert [name for name in sorted(members) if not hasattr(app, name)] == []


def test_hook_types_that_take_a_response_can_be_narrowed():
    assert typing.get_args(ft.AfterRequestCallable[int])
