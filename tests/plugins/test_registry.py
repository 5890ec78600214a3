"""The registry: what plugins offer, and what happens when they break."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import click
import pytest

from e2gan.blend import find_concept, resolve
from e2gan.concept import Concept
from e2gan.errors import ConceptError, PluginError, TeacherError
from e2gan.hookspecs import hookimpl, hookspec
from e2gan.plugins import Registry, use_registry

Plugin = Callable[..., ModuleType]
Bundle = Callable[..., Path]


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])


def teacher(*ids: str) -> Callable[[Any], None]:
    def register_teachers(register: Any) -> None:
        for id in ids:
            register(id, dict, summary=f"the {id}")

    return register_teachers


def failing(*_: Any) -> None:
    raise RuntimeError("no\nluck")


class TestOffers:
    def test_concepts(self, plugin: Plugin, bundle: Bundle) -> None:
        folder = bundle("dusk")
        registry = Registry.load([plugin("p", register_concepts=lambda register: register(str(folder)))])
        assert list(registry.all("concept")) == ["dusk"]
        concept = registry.get("concept", "dusk")
        assert (concept.path, concept.distribution, concept.trained) == (folder, "p", False)
        assert registry.problems == []

    @pytest.mark.parametrize("kind", ["source", "teacher", "photo source", "exporter", "embedder", "backend"])
    def test_factories(self, plugin: Plugin, kind: str) -> None:
        registry = Registry.load([plugin("p", **{f"register_{kind.replace(' ', '_')}s": teacher("b", "a")})])
        assert list(registry.all(kind)) == ["a", "b"]
        entry = registry.get(kind, "a")
        assert (entry.id, entry.factory, entry.summary, entry.distribution) == ("a", dict, "the a", "p")

    def test_a_concept_may_say_where_it_was_got(self, plugin: Plugin, bundle: Bundle) -> None:
        folder = bundle("dusk")
        for source, problems in (("hub:alice/dusk", 0), (7, 1)):
            offers = plugin("p", register_concepts=lambda register, source=source: register(folder, source=source))
            registry = Registry.load([offers])
            assert [concept.source for concept in registry.all("concept").values()] == ["hub:alice/dusk"][problems:]
            assert len(registry.problems) == problems

    def test_a_concept_by_its_source(self, plugin: Plugin, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        concept = Concept.read(bundle("dusk"))
        offers = plugin("p", register_sources=lambda register: register("shelf", {"top/dusk@2": concept}.__getitem__))
        registry = Registry.load([offers])
        use_registry(lambda: registry)
        assert find_concept("shelf:top/dusk@2") is concept
        assert [part.weight for part in resolve("shelf:top/dusk@2=0.5")] == [1.0]
        with pytest.raises(ConceptError, match="no concept in cellar:top/dusk"):
            find_concept("cellar:top/dusk")

    def test_a_plugin_may_be_an_object(self) -> None:
        class Mine:
            @hookimpl
            def register_teachers(self, register: Any) -> None:
                register("mine", dict)

        assert Registry.load([Mine()]).get("teacher", "mine").distribution == "Mine"

    def test_a_plugin_may_add_a_hook(self, plugin: Plugin) -> None:
        owner, offers = plugin("owner"), plugin("p", register_lenses=teacher("b", "a"))
        owner.register_lenses = hookspec(lambda register: None)
        for plugins in ([owner, offers], [offers, owner]):
            registry = Registry.load(plugins)
            assert registry.problems == []
            assert list(registry.all("lense")) == ["a", "b"]
            with pytest.raises(PluginError, match="no lense 'c'"):
                registry.get("lense", "c")
        (problem,) = Registry.load([offers]).problems
        assert problem.message == "there is no hook 'register_lenses'"
        assert Registry.load([offers]).all("lense") == {}

    def test_lists_plugins_with_their_hooks(self, plugin: Plugin) -> None:
        registry = Registry.load([plugin("p", register_teachers=teacher(), register_commands=lambda cli: None)])
        (info,) = registry.plugins
        assert (info.name, info.status, info.traceback) == ("p", "ok", None)
        assert info.hooks == ("register_commands", "register_teachers")


class TestUnknown:
    def test_nearest_id(self, plugin: Plugin, bundle: Bundle) -> None:
        folder = bundle("vangogh")
        offers = plugin("p", register_concepts=lambda register: register(folder), register_teachers=teacher("grade"))
        registry = Registry.load([offers])
        with pytest.raises(ConceptError, match="no concept 'vangoh'") as caught:
            registry.get("concept", "vangoh")
        assert caught.value.hint == "did you mean 'vangogh'?"
        with pytest.raises(TeacherError, match="no teacher 'x'") as other:
            registry.get("teacher", "x")
        assert other.value.hint == "known: grade"

    @pytest.mark.parametrize("word", ["Painted window", "painted windw", "PAINTED WINDOW", "stained glass"])
    def test_a_concept_s_title(self, plugin: Plugin, bundle: Bundle, word: str) -> None:
        folders = [bundle("painted-stained-glass", title="Painted window"), bundle("painted-woodcut", title="Woodcut")]
        offers = plugin("p", register_concepts=lambda register: [register(folder) for folder in folders])
        with pytest.raises(ConceptError) as caught:
            Registry.load([offers]).get("concept", word)
        assert caught.value.hint == "did you mean 'painted-stained-glass'?"

    def test_nothing_installed(self) -> None:
        with pytest.raises(PluginError, match="no model 'x'") as caught:
            Registry.load().get("model", "x")
        assert caught.value.hint == "no installed plugin offers any model"

    def test_hint_at_broken_plugins(self, plugin: Plugin) -> None:
        registry = Registry.load([plugin("p", register_exporters=failing)])
        with pytest.raises(PluginError) as caught:
            registry.get("exporter", "coreml")
        assert "e2gan plugins" in str(caught.value.hint)


INTERRUPTED = """
import signal, e2gan
from e2gan.plugins import Registry

class Plugin:
    @staticmethod
    @e2gan.hookimpl
    def register_teachers(register):
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    Registry.load([Plugin]).all("teacher")
except KeyboardInterrupt:
    as_before = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print("interrupted, and as before" if as_before else "interrupted")
"""


class TestQuarantine:
    def test_a_failing_hook_is_all_or_nothing(self, plugin: Plugin) -> None:
        def half(register: Any) -> None:
            register("half", dict)
            failing()

        registry = Registry.load(
            [plugin("bad", register_teachers=half), plugin("good", register_teachers=teacher("t"))]
        )
        assert list(registry.all("teacher")) == ["t"]
        bad, good = registry.plugins
        assert (bad.status, good.status) == ("broken", "ok")
        assert "RuntimeError: no\nluck" in str(bad.traceback)
        (problem,) = registry.problems
        assert (problem.plugin, problem.message) == ("bad", "RuntimeError: no luck")

    def test_other_hooks_of_it_go_on(self, plugin: Plugin) -> None:
        registry = Registry.load([plugin("p", register_exporters=failing, register_teachers=teacher("t"))])
        assert list(registry.all("teacher")) == ["t"]
        assert registry.all("exporter") == {}

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            (("../x", dict), "teacher's id is"),
            ((3, dict), "teacher's id is"),
            (("x", "not callable"), "cannot be called"),
            ((), "TypeError"),
        ],
    )
    def test_bad_registration(self, plugin: Plugin, arguments: tuple[Any, ...], match: str) -> None:
        registry = Registry.load([plugin("p", register_teachers=lambda register: register(*arguments))])
        assert registry.all("teacher") == {}
        assert match in registry.problems[0].message

    def test_a_plugin_cannot_end_the_program(self, plugin: Plugin) -> None:
        registry = Registry.load([plugin("p", register_teachers=lambda register: sys.exit(3))])
        assert registry.all("teacher") == {}
        assert registry.plugins[0].status == "broken"

    @pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit, GeneratorExit, RuntimeError])
    def test_nor_raise_what_the_user_would(self, plugin: Plugin, fault: type[BaseException]) -> None:
        def interrupted(register: Any) -> None:
            raise fault("not the user")

        registry = Registry.load([plugin("p", register_teachers=interrupted), plugin("q")])
        assert registry.all("teacher") == {}
        assert [info.status for info in registry.plugins] == ["broken", "ok"]

    def test_the_user_can(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a process of its own, which a Ctrl-C at a wrong moment may end."""
        monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
        ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
        assert ended.stdout == "interrupted, and as before\n", ended.stderr

    def test_what_it_prints_is_told_with_its_name(self, plugin: Plugin, capfd: pytest.CaptureFixture[str]) -> None:
        def talkative(register: Any) -> None:
            print("one\ntwo\x1b[31m")
            sys.stdout.buffer.write(b"\xff and half a line")
            os.write(1, b"below Python\n")
            kept.append(sys.stdout)

        kept: list[Any] = []
        stdout = sys.stdout
        registry = Registry.load([plugin("p", register_teachers=talkative)])
        assert registry.all("teacher") == {} and not registry.problems
        assert sys.stdout is stdout
        print("the result", flush=True)
        print("later", file=kept[0])
        seen = capfd.readouterr()
        assert seen.out == "the result\n"
        told = ["p: one", "p: two\\x1b[31m", "p: \\xff and half a line", "p: below Python", "p: later"]
        assert [line for line in seen.err.splitlines() if line] == told

    def test_one_damaged_bundle_spares_its_neighbours(self, plugin: Plugin, bundle: Bundle, tmp_path: Path) -> None:
        folders: list[Any] = [bundle("a"), bundle("b", schema=2), tmp_path / "nowhere", None, bundle("c")]

        def register_concepts(register: Any) -> None:
            for folder in folders:
                register(folder)

        registry = Registry.load([plugin("p", register_concepts=register_concepts)])
        assert list(registry.all("concept")) == ["a", "c"]
        assert registry.plugins[0].status == "broken"
        assert len(registry.problems) == 3
        assert str(folders[1] / "concept.toml") in registry.problems[0].message
        assert registry.problems[1].hint

    def test_hook_with_a_wrong_signature(self, plugin: Plugin) -> None:
        wrong = plugin("wrong", register_teachers=lambda registrar: None)
        registry = Registry.load([wrong, plugin("good", register_teachers=teacher("t"))])
        assert list(registry.all("teacher")) == ["t"]
        assert [info.status for info in registry.plugins] == ["broken", "ok"]

    def test_unknown_hook_is_reported(self, plugin: Plugin) -> None:
        registry = Registry.load([plugin("p", register_concept=lambda register: None, register_teachers=teacher("t"))])
        (problem,) = registry.problems
        assert problem.message == "there is no hook 'register_concept'"
        assert problem.hint == "did you mean 'register_concepts'?"
        assert list(registry.all("teacher")) == ["t"]

    @pytest.mark.parametrize(
        "hooks",
        [
            {"register_teachers": failing},
            {"register_exporters": failing},
            {"register_concepts": lambda register: register("/nowhere")},
            {"register_foo": lambda register: None},
            {"register_teachers": teacher("t", "t")},
        ],
    )
    def test_strict(self, plugin: Plugin, monkeypatch: pytest.MonkeyPatch, hooks: dict[str, Any]) -> None:
        monkeypatch.setenv("E2GAN_STRICT_PLUGINS", "1")
        with pytest.raises(PluginError, match=r"^plugin 'p': ") as caught:
            _ = Registry.load([plugin("p", **hooks)]).problems
        assert str(caught.value).count("plugin 'p'") == 1


class TestDuplicates:
    def test_using_the_id_names_both(self, plugin: Plugin, bundle: Bundle, tmp_path: Path) -> None:
        one, two = bundle("dusk"), bundle("dusk", folder=tmp_path / "two")
        registry = Registry.load(
            [
                plugin("p", register_concepts=lambda register: register(one)),
                plugin("q", register_concepts=lambda register: register(two)),
            ]
        )
        assert registry.all("concept") == {}
        with pytest.raises(PluginError, match="'dusk' is offered by 'p' and by 'q'") as caught:
            registry.get("concept", "dusk")
        assert caught.value.hint
        assert "offered by 'p' and by 'q'" in registry.problems[0].message

    def test_other_ids_are_untouched(self, plugin: Plugin) -> None:
        registry = Registry.load(
            [plugin("p", register_teachers=teacher("t", "u")), plugin("q", register_teachers=teacher("t", "v"))]
        )
        assert list(registry.all("teacher")) == ["u", "v"]
        with pytest.raises(PluginError, match="offered by"):
            registry.get("teacher", "t")

    def test_one_id_may_be_of_two_kinds(self, plugin: Plugin) -> None:
        registry = Registry.load([plugin("p", register_teachers=teacher("x"), register_exporters=teacher("x"))])
        assert registry.get("teacher", "x") and registry.get("exporter", "x")


class TestSeveralBases:
    LITE: ClassVar[dict[str, Any]] = {"base": {"id": "lite", "sha256": "1" * 64}}

    def test_a_package_offers_a_concept_for_each(self, plugin: Plugin, bundle: Bundle, tmp_path: Path) -> None:
        full, lite = bundle("dusk"), bundle("dusk", folder=tmp_path / "lite", **self.LITE)

        def register_concepts(register: Any) -> None:
            register(full)
            register(lite)

        registry = Registry.load([plugin("p", register_concepts=register_concepts)])
        assert not registry.problems
        concept = registry.get("concept", "dusk")
        assert (concept.path, [other.path for other in concept.others]) == (full, [lite])
        assert [concept.on(base).path for base in ("lite", "1" * 64, "tiny", "unknown", "")] == [lite] * 2 + [full] * 3

    def test_but_not_two_for_one(self, plugin: Plugin, bundle: Bundle, tmp_path: Path) -> None:
        folders = [bundle("dusk"), bundle("dusk", folder=tmp_path / "lite", **self.LITE)]
        folders.append(bundle("dusk", folder=tmp_path / "again", **self.LITE))

        def register_concepts(register: Any) -> None:
            for folder in folders:
                register(folder)

        registry = Registry.load([plugin("p", register_concepts=register_concepts)])
        with pytest.raises(PluginError, match="offered by 'p' and by 'p'"):
            registry.get("concept", "dusk")

    def test_nor_two_packages(self, plugin: Plugin, bundle: Bundle, tmp_path: Path) -> None:
        full, lite = bundle("dusk"), bundle("dusk", folder=tmp_path / "lite", **self.LITE)
        registry = Registry.load(
            [
                plugin("p", register_concepts=lambda register: register(full)),
                plugin("q", register_concepts=lambda register: register(lite)),
            ]
        )
        with pytest.raises(PluginError, match="offered by 'p' and by 'q'"):
            registry.get("concept", "dusk")


class TestCommands:
    @staticmethod
    def command(*names: str, fail: bool = False) -> Callable[[click.Group], None]:
        def register_commands(cli: click.Group) -> None:
            for name in names:
                cli.add_command(click.Command(name))
            if fail:
                failing()

        return register_commands

    @pytest.fixture
    def cli(self) -> click.Group:
        return click.Group(commands={"list": click.Command("list")})

    def test_added(self, plugin: Plugin, cli: click.Group) -> None:
        registry = Registry.load([plugin("p", register_commands=self.command("push", "pull"))])
        registry.register_commands(cli)
        assert list(cli.commands) == ["list", "pull", "push"]

    def test_a_failing_plugin_adds_none(self, plugin: Plugin, cli: click.Group) -> None:
        bad, good = self.command("a", fail=True), self.command("b")
        registry = Registry.load([plugin("bad", register_commands=bad), plugin("good", register_commands=good)])
        registry.register_commands(cli)
        assert list(cli.commands) == ["list", "b"]
        assert [info.status for info in registry.plugins] == ["broken", "ok"]

    def test_the_programs_own_stay(self, plugin: Plugin, cli: click.Group) -> None:
        own = cli.commands["list"]
        registry = Registry.load([plugin("p", register_commands=self.command("list", "push"))])
        registry.register_commands(cli)
        assert cli.commands == {"list": own}
        assert "'list' is the program's own" in registry.problems[0].message

    def test_two_of_one_name(self, plugin: Plugin, cli: click.Group) -> None:
        one, two = self.command("push", "a"), self.command("push", "b")
        registry = Registry.load([plugin("p", register_commands=one), plugin("q", register_commands=two)])
        registry.register_commands(cli)
        assert list(cli.commands) == ["list", "a", "b"]
        assert "'push' is offered by 'p' and by 'q'" in registry.problems[0].message
