from migrate_app import create_app


def run(app, *arguments):
    result = app.test_cli_runner().invoke(args=["db", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_commands_make_the_tables_that_the_app_needs(serve, tmp_path):
    app = create_app(f"sqlite:///{tmp_path / 'notes.db'}", str(tmp_path / "migrations"))
    browser = serve(app)
    assert browser.get("/notes").status == 500
    run(app, "init")
    run(app, "migrate", "-m", "first")
    versions = list((tmp_path / "migrations" / "versions").glob("*_first.py"))
    assert len(versions) == 1
    assert "create_table('note'" in versions[0].read_text()
    run(app, "upgrade")
    assert browser.post_form("/notes", {"text": "kept"}).json == ["kept"]
    assert browser.get("/notes").json == ["kept"]
    run(app, "downgrade")
    assert browser.get("/notes").status == 500
