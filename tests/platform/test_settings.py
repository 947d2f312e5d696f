"""Settings: which of three sources wins, what is shown of them, and what is said of those that are wrong."""

from __future__ import annotations

import os
import socket
from dataclasses import fields
from pathlib import Path

import pytest

from verbwire.errors import ConfigurationError, VerbwireError
from verbwire.settings import Settings, find_root, load_settings, skipped


@pytest.fixture(autouse=True)
def _no_settings_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("VERBWIRE_")]:
        monkeypatch.delenv(name)


def project(folder: Path, *lines: str) -> Path:
    (folder / "pyproject.toml").write_text("\n".join(("[tool.verbwire]", *lines)), "utf-8")
    return folder


def source(settings: Settings, name: str) -> tuple[str, str]:
    """A setting as it is shown: its value and where it came from."""
    return next((value, origin) for each, value, origin in settings.shown() if each == name)


@pytest.mark.parametrize(
    ("written", "read"),
    [('"64MB"', 64_000_000), ('"64 MiB"', 2**26), ('"1gib"', 2**30), ('"67108864"', 2**26), ("67108864", 2**26)],
)
def test_a_size_may_have_a_unit(tmp_path: Path, written: str, read: int) -> None:
    assert load_settings(project(tmp_path, f"cache_bytes = {written}")).cache_bytes == read


@pytest.mark.parametrize("written", ['"64 parsecs"', "-1", "true", '"1.5GB"', '"MB"'])
def test_a_size_that_is_none_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cache_bytes.*64MB"):
        load_settings(project(tmp_path, f"cache_bytes = {written}"))


def test_a_cache_that_could_hold_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"VERBWIRE_CACHE_BYTES\) is 1000000: use 16MB or more"):
        load_settings(project(tmp_path, 'cache_bytes = "1MB"'))


def test_a_setting_that_is_not_set_has_a_default(tmp_path: Path) -> None:
    settings = load_settings(project(tmp_path, 'project = "bank"'))
    assert (settings.bootstrap, settings.registry, settings.partitions) == ("embedded", "embedded", 12)
    assert settings.data_folder == tmp_path / ".verbwire"
    assert settings.schemas == tmp_path / "schemas"
    assert source(settings, "project") == ("bank", "pyproject.toml")
    assert source(settings, "partitions") == ("12", "default")
    assert source(settings, "kafka") == ("-", "default")


def test_the_environment_wins_over_the_file_and_a_flag_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, "partitions = 3", "http_port = 1000", 'worker = "file"')
    assert source(load_settings(tmp_path), "worker") == ("file", "pyproject.toml")
    monkeypatch.setenv("VERBWIRE_HTTP_PORT", "2000")
    monkeypatch.setenv("VERBWIRE_WORKER", "environment")
    settings = load_settings(tmp_path, {"worker": "flag", "http_port": None})
    assert (settings.partitions, settings.http_port, settings.worker) == (3, 2000, "flag")
    assert source(settings, "partitions") == ("3", "pyproject.toml")
    assert source(settings, "http_port") == ("2000", "VERBWIRE_HTTP_PORT")
    assert source(settings, "worker") == ("flag", "flag")


def test_a_flag_may_say_zero(tmp_path: Path) -> None:
    assert load_settings(project(tmp_path), {"http_port": 0}).http_port == 0


def test_the_worker_is_called_after_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Shop-2.example ")
    settings = load_settings(project(tmp_path))
    assert source(settings, "worker") == ("shop-2-example", "host name")


def test_lists_and_properties_are_read_from_either_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(
        tmp_path,
        'scopes = ["a:read", "b:write"]',
        'skip = ["g@t/0/1"]',
        'kafka = { "security.protocol" = "SSL", "socket.timeout.ms" = 500 }',
    )
    settings = load_settings(tmp_path)
    assert (settings.scopes, settings.skip) == (("a:read", "b:write"), ("g@t/0/1",))
    assert settings.kafka == {"security.protocol": "SSL", "socket.timeout.ms": "500"}
    monkeypatch.setenv("VERBWIRE_SCOPES", "c:read, d:write")
    monkeypatch.setenv("VERBWIRE_SKIP", "g@t/0/1,h@u.v/2/30 g@t/1/7")
    monkeypatch.setenv("VERBWIRE_KAFKA", "sasl.mechanism=PLAIN;sasl.password=a=b;")
    settings = load_settings(tmp_path)
    assert settings.scopes == ("c:read", "d:write")
    assert settings.skip == ("g@t/0/1", "h@u.v/2/30", "g@t/1/7")
    assert settings.kafka == {"sasl.mechanism": "PLAIN", "sasl.password": "a=b"}
    monkeypatch.setenv("VERBWIRE_KAFKA", '{"sasl.password": "a;b=c", "socket.timeout.ms": 500}')
    assert load_settings(tmp_path).kafka == {"sasl.password": "a;b=c", "socket.timeout.ms": "500"}


def test_any_setting_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "-".join(["never", "shown"])
    project(tmp_path, 'http_secret = "of the project file"', "http_port = 1")
    for name, content in {
        "http_secret": f"{secret}\n",
        "kafka": f"sasl.password={secret}\r\n",
        "http_port": "7",
    }.items():
        (tmp_path / name).write_bytes(content.encode())
        monkeypatch.setenv(f"VERBWIRE_{name.upper()}_FILE", str(tmp_path / name))
    settings = load_settings(tmp_path)
    assert (settings.http_secret, settings.kafka, settings.http_port) == (secret, {"sasl.password": secret}, 7)
    assert source(settings, "http_secret") == ("***", "VERBWIRE_HTTP_SECRET_FILE")
    assert source(settings, "http_port") == ("7", "VERBWIRE_HTTP_PORT_FILE")
    assert secret not in repr(settings.shown())
    monkeypatch.setenv("VERBWIRE_HTTP_SECRET", "another")
    with pytest.raises(
        ConfigurationError, match="VERBWIRE_HTTP_SECRET and VERBWIRE_HTTP_SECRET_FILE are both set"
    ) as wrong:
        load_settings(tmp_path)
    assert secret not in str(wrong.value)


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read: No such file"), (b"\xff", "is not UTF-8 text")])
def test_a_file_of_a_setting_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("VERBWIRE_HTTP_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigurationError, match=f"VERBWIRE_HTTP_SECRET_FILE: .*secret {said}"):
        load_settings(project(tmp_path))


def test_no_setting_is_called_like_the_file_of_another() -> None:
    names = {each.name for each in fields(Settings)}
    assert not {f"{name}_file" for name in names} & names


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "-".join(["never", "shown"])
    monkeypatch.setenv("VERBWIRE_HTTP_SECRET", secret)
    monkeypatch.setenv(
        "VERBWIRE_KAFKA",
        f"sasl.username=ann;sasl.password={secret};ssl.key.pem={secret};sasl.oauthbearer.client.secret={secret};"
        f"sasl.oauthbearer.config=secret={secret};ssl.keystore.password={secret}",
    )
    monkeypatch.setenv("VERBWIRE_REGISTRY_CLIENT", f"basic.auth.user.info=ann:{secret};bearer.auth.token={secret}")
    monkeypatch.setenv("VERBWIRE_REGISTRY", f"https://ann:{secret}@registry.example/apis")
    settings = load_settings(project(tmp_path))
    assert secret in (settings.http_secret, settings.kafka["sasl.password"])
    shown = settings.shown()
    assert secret not in repr(shown) + repr(settings)
    assert source(settings, "http_secret")[0] == "***"
    assert "sasl.username=ann" in source(settings, "kafka")[0]
    assert source(settings, "registry")[0] == "https://***@registry.example/apis"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PARTITIONS", "many", "VERBWIRE_PARTITIONS is 'many', which is no int"),
        ("PARTITIONS", "0", "partitions (VERBWIRE_PARTITIONS) is 0: use 1 to 1000"),
        ("PARTITIONS", "1001", "use 1 to 1000"),
        ("HTTP_PORT", "65536", "http_port (VERBWIRE_HTTP_PORT) is 65536: use 0 to 65535"),
        ("HTTP_PORT", "", "VERBWIRE_HTTP_PORT is ''"),
        ("SKIP", "g@t/0", "skip (VERBWIRE_SKIP): 'g@t/0' is not group@topic/partition/offset"),
        ("PROJECT", "My Shop", "project 'My Shop': use lower-case words"),
        ("WORKER", "", "worker (VERBWIRE_WORKER) is ''"),
        ("WORKER", "my worker/1", "worker (VERBWIRE_WORKER) is 'my worker/1': use letters, digits"),
        ("WORKER", "w" * 101, "use letters, digits"),
        ("WORKER", "a*b", "perhaps '*' at the end"),
        ("LOG_LEVEL", "all", "log_level (VERBWIRE_LOG_LEVEL) is 'all': use 'debug', 'info', 'warning' or 'error'"),
        ("LOG_FORMAT", "xml", "log_format (VERBWIRE_LOG_FORMAT) is 'xml': use 'text' or 'json'"),
        ("KAFKA", "no equals sign", "VERBWIRE_KAFKA"),
        (
            "HTTP_ADVERTISED_URL",
            "w1:8700",
            "http_advertised_url (VERBWIRE_HTTP_ADVERTISED_URL): write http://host:port",
        ),
        ("HTTP_ENDPOINTS", "http://a:1 ftp://b", "http_endpoints (VERBWIRE_HTTP_ENDPOINTS): write http://host:port"),
        ("HTTP_ENDPOINTS", "http://ann:pw@a:1", "without user"),
        ("HTTP_ENDPOINTS", "http://a:port", "VERBWIRE_HTTP_ENDPOINTS"),
        ("HTTP_DEVELOPMENT", "yes", "http_development (VERBWIRE_HTTP_DEVELOPMENT) is 'yes': use 'local' or 'anywhere'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"VERBWIRE_{name}", value)
    with pytest.raises(VerbwireError) as wrong:
        load_settings(project(tmp_path))
    assert said in str(wrong.value)


@pytest.mark.parametrize("line", ["partitions = 4.7", "partitions = true", "scopes = 5", "data = 5", 'kafka = "a"'])
def test_a_setting_of_another_type_is_named_with_its_key(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[tool\.verbwire\] {line.partition(' ')[0]}"):
        load_settings(project(tmp_path, line))


@pytest.mark.parametrize("text", ["sasl.password=never-shown;no equals sign", '{"sasl.password": "never-shown"'])
def test_an_error_does_not_tell_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("VERBWIRE_KAFKA", text)
    with pytest.raises(ConfigurationError) as wrong:
        load_settings(project(tmp_path))
    assert "never-shown" not in str(wrong.value)


def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no setting partition: there are .*partitions"):
        load_settings(project(tmp_path, "partition = 3"))


def test_the_project_is_found_from_anywhere_inside(tmp_path: Path) -> None:
    inner = project(tmp_path) / "streams" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "streams" / "pyproject.toml").write_text('[project]\nname = "of another tool"\n', "utf-8")
    assert find_root(inner) == tmp_path


def test_outside_of_a_project_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is not in a verbwire project: no pyproject\.toml there or above"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "content", [b"[tool.verbwire", b"[tool.verbwire]\nproject = \xff"], ids=["not TOML", "not UTF-8"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml"):
        load_settings(tmp_path)


def test_a_skipped_record_is_read_from_the_right() -> None:
    """Topics and groups may hold any of the signs."""
    assert skipped("p.shop.carts@p.shop.carts.events/3/17") == ("p.shop.carts", "p.shop.carts.events", 3, 17)
    assert skipped("g@odd/topic/0/1") == ("g", "odd/topic", 0, 1)


@pytest.mark.parametrize("text", ["", "g", "g@t", "g@t/1", "g@t/x/1", "g@t/1/-1", "@t/1/1", "g@/1/1", "g@t/1/¹"])
def test_a_skip_of_no_place_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="group@topic/partition/offset"):
        skipped(text)
