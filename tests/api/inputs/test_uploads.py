"""Uploaded files: measured, and of the type and size that the view asks for."""

from __future__ import annotations

import io
from tempfile import SpooledTemporaryFile

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from hipflask import streams
from hipflask.api import Accepts
from hipflask.api.inputs.uploads import BodyStream, Upload, upload_of
from hipflask.api.model import Rejected


def part(data: bytes = b"abc", kind: str = "image/png", name: str = "a.png") -> FileStorage:
    return FileStorage(io.BytesIO(data), name, "picture", content_type=kind)


def test_a_file_knows_its_size_and_what_the_client_says_of_it() -> None:
    upload = Upload.of(part())
    assert (upload.size, upload.filename, upload.mimetype, upload.name) == (
        3, "a.png", "image/png", "picture",
    )  # fmt: skip
    assert upload.read() == b"abc"


def test_a_file_on_disk_is_measured_too() -> None:
    with SpooledTemporaryFile(max_size=1) as file:
        file.write(b"x" * 1000)
        upload = Upload.of(FileStorage(file, "a"))
        assert (upload.size, len(upload.read())) == (1000, 1000)


@pytest.mark.parametrize("wanted", ["image/png", "image/*", "IMAGE/PNG", "*/*"])
def test_a_type_that_is_accepted(wanted: str) -> None:
    assert upload_of(part(), Accepts("text/plain", wanted)).size == 3


@pytest.mark.parametrize("kind", ["image/svg", "images/png", "", "text/html; x=image/png"])
def test_a_type_that_is_not_names_what_is(kind: str) -> None:
    with pytest.raises(Rejected) as raised:
        upload_of(part(kind=kind), Accepts("image/png", "text/plain"))
    (flaw,) = raised.value.flaws
    assert flaw.expected == "a file of type image/png or text/plain"


def test_a_file_may_be_as_large_as_the_view_says() -> None:
    assert upload_of(part(b"1234"), Accepts(max_bytes=4)).size == 4
    with pytest.raises(RequestEntityTooLarge, match="4 bytes at most"):
        upload_of(part(b"12345"), Accepts(max_bytes=4))


def test_anything_goes_where_nothing_is_said() -> None:
    assert upload_of(part(kind="x/y"), None).size == upload_of(part(), Accepts()).size == 3


def test_the_stream_has_one_name_more() -> None:
    assert BodyStream is streams.BodyStream
