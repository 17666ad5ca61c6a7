import importlib.machinery
import os
import sys
import types
import zipfile

import pytest

from hipflask.packages import (
    find_instance_path,
    find_package,
    get_root_path,
    open_instance_resource,
    open_resource,
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder on sys.path; modules imported from it are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write_module(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# --- get_root_path -----------------------------------------------------------------------


def test_root_path_of_a_package_is_its_folder_and_of_a_module_the_folder_around(place):
    write_module(place / "shop" / "__init__.py")
    write_module(place / "shop" / "views.py")
    write_module(place / "single.py")
    assert get_root_path("shop") == str(place / "shop")
    assert get_root_path("shop.views") == str(place / "shop")
    assert get_root_path("single") == str(place)


def test_root_path_does_not_import_the_module(place):
    write_module(place / "broken.py", "raise SystemExit('imported')")
    assert get_root_path("broken") == str(place)
    assert "broken" not in sys.modules


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", ""])
def test_root_path_of_an_unknown_module_is_the_current_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert get_root_path(name) == str(tmp_path)


def test_root_path_of_an_imported_module_comes_from_its_file(monkeypatch, tmp_path):
    module = types.ModuleType("handmade")
    module.__file__ = str(tmp_path / "handmade.py")
    monkeypatch.setitem(sys.modules, "handmade", module)
    assert get_root_path("handmade") == str(tmp_path)


def test_root_path_of_a_module_without_a_file_is_refused_with_the_way_out():
    with pytest.raises(RuntimeError, match="'sys' is unknown.*Pass 'root_path'"):
        get_root_path("sys")


# --- find_package and find_instance_path -------------------------------------------------


def test_package_used_where_it_stands_has_no_prefix(place):
    write_module(place / "shop" / "__init__.py")
    assert find_package("shop") == (None, str(place))
    assert find_package("shop.views") == (None, str(place))
    assert find_instance_path("shop") == str(place / "instance")


def test_unknown_and_built_in_modules_count_as_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_package("no_such_module") == (None, str(tmp_path))
    assert find_package("sys") == (None, str(tmp_path))


def test_namespace_package_takes_the_folder_that_has_the_subpackage(tmp_path, place, monkeypatch):
    for project, package in (("one", "first"), ("two", "second")):
        monkeypatch.syspath_prepend(os.fspath(tmp_path / project))
        write_module(tmp_path / project / "spread" / package / "__init__.py")
    assert find_package("spread.first") == (None, str(tmp_path / "one"))
    assert find_package("spread.second") == (None, str(tmp_path / "two"))
    # Neither asked for: the folder that comes first on sys.path.
    write_module(tmp_path / "one" / "spread" / "module.py")
    assert find_package("spread.module") == (None, str(tmp_path / "two"))
    assert find_package("spread") == (None, str(tmp_path / "two"))


def test_zipped_package_counts_as_lying_in_the_archive(place, monkeypatch):
    archive = place / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("zipped/__init__.py", "")
    monkeypatch.syspath_prepend(os.fspath(archive))
    assert find_package("zipped") == (None, str(archive))
    assert get_root_path("zipped") == str(archive / "zipped")


def test_package_below_the_interpreters_prefix_is_installed_there(place, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(place))
    write_module(place / "anywhere" / "shop" / "__init__.py")
    monkeypatch.syspath_prepend(os.fspath(place / "anywhere"))
    assert find_package("shop") == (str(place), str(place / "anywhere"))
    assert find_instance_path("shop") == str(place / "var" / "shop-instance")


@pytest.mark.parametrize(
    "below_prefix",
    ["lib/python3.11/site-packages", "Lib/site-packages", "site-packages"],
    ids=["unix", "windows", "bare"],
)
def test_prefix_is_read_from_where_site_packages_lies(place, monkeypatch, below_prefix):
    prefix = place / "user"
    folder = prefix / below_prefix
    write_module(folder / "shop.py")
    monkeypatch.syspath_prepend(os.fspath(folder))
    assert find_package("shop") == (str(prefix), str(folder))


def test_instance_folder_of_an_installed_application_has_the_applications_name(place, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(place))
    write_module(place / "shop.py")
    assert find_instance_path("shop", "storefront") == str(place / "var" / "storefront-instance")


def test_module_of_an_import_hook_without_a_place_counts_as_the_current_folder(
    tmp_path, monkeypatch
):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            return importlib.machinery.ModuleSpec(name, Loader()) if name == "hooked" else None

    class Loader:
        def create_module(self, spec):
            return None

        def exec_module(self, module):
            module.__file__ = str(tmp_path / "hooked.py")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert find_package("hooked") == (None, str(tmp_path))
    # Its loader cannot tell either: then it is imported.
    assert get_root_path("hooked") == str(tmp_path)
    monkeypatch.delitem(sys.modules, "hooked")


# --- resources ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["w", "wb", "a", "x", "r+", "rb+", "U", ""])
def test_resource_opens_only_for_reading(tmp_path, mode):
    with pytest.raises(ValueError, match="'note.txt' cannot be opened with mode"):
        open_resource(str(tmp_path), "note.txt", mode)


@pytest.mark.parametrize("opener", [open_resource, open_instance_resource])
def test_resource_is_bytes_unless_a_text_mode_asks_for_an_encoding(tmp_path, opener):
    (tmp_path / "note.txt").write_text("é", encoding="utf-16-le")
    with opener(str(tmp_path), "note.txt") as file:
        assert file.read() == "é".encode("utf-16-le")
    with opener(str(tmp_path), "note.txt", "r", encoding="utf-16-le") as file:
        assert file.read() == "é"


def test_instance_resource_can_be_written_and_is_utf_8(tmp_path):
    with open_instance_resource(str(tmp_path), "note.txt", "w") as file:
        file.write("é")
    assert (tmp_path / "note.txt").read_bytes() == "é".encode()
