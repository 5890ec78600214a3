"""Plugins: finding them through entry points, loading them, and quarantining broken ones.

A broken plugin never takes the program down: its traceback is kept for
``e2gan plugins``, and the rest works on.  What a plugin prints while it loads goes to stderr with its name: stdout
is for results.  Each hook call is all or nothing: a hook that
raises half-way registers nothing.  Two plugins that claim one id are an error for
whoever uses that id; neither wins.

``E2GAN_LOAD_PLUGINS``
    The only plugins to load, by distribution or entry point name, separated by commas.  Empty: none.
``E2GAN_STRICT_PLUGINS=1``
    The first problem raises instead of being kept.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import math
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import pluggy

from e2gan import hookspecs
from e2gan.concept import Concept
from e2gan.distributions import damaged, tolerate_damage
from e2gan.errors import ConceptError, DataError, E2GANError, PluginError, TeacherError
from e2gan.installing import install_command
from e2gan.options import Option, options_of
from e2gan.quarantine import named_output, note_interrupts
from e2gan.tables import ID_PATTERN, closest, did_you_mean, shown

if TYPE_CHECKING:
    import click

__all__ = [
    "DEFAULT_PLUGINS",
    "KINDS",
    "OFFERED_BY",
    "Entry",
    "PluginInfo",
    "Problem",
    "Registry",
    "register_commands",
    "registry",
    "reload_registry",
    "use_registry",
]

GROUP = "e2gan"

DEFAULT_PLUGINS = ("e2gan.embedders", "e2gan.given")
"""The core's own plugin modules; always loaded."""

KINDS: dict[str, type[E2GANError]] = {
    "concept": ConceptError,
    "source": ConceptError,
    "teacher": TeacherError,
    "photo source": DataError,
    "exporter": PluginError,
    "embedder": PluginError,
    "backend": PluginError,
}
"""The kinds that the core's hooks ``register_KINDs`` offer, each with the error for an unknown id.

A plugin may add a hook and so a kind of its own, whose error is PluginError.
"""

_OFFERS: dict[str, dict[str, str]] = {
    "e2gan-baselines": {"command": "train-baseline", "source": "baseline"},
    "e2gan-catalogue": {"command": "catalogue"},
    "e2gan-coreml": {"exporter": "coreml"},
    "e2gan-demo": {"command": "demo"},
    "e2gan-gmic": {"teacher": "gmic"},
    "e2gan-hub": {
        "command": "push push-base pull remove search lock sync verify outdated trust hub-server",
        "source": "hub https http",
    },
    "e2gan-litert": {"exporter": "litert"},
    "e2gan-onnx": {"exporter": "onnx", "backend": "onnxruntime"},
    "e2gan-openvino": {"backend": "openvino"},
    "e2gan-reproduce": {"command": "reproduce"},
    "e2gan-ssd": {"command": "ssd", "photo source": "ssd"},
    "e2gan-teachers": {
        "teacher": "magenta-multistyle magenta-arbitrary opencv-stylization opencv-pencil-sketch opencv-dodge-sketch "
        "opencv-oil-painting opencv-watercolour grade sd-img2img instruct-pix2pix instruct-diffusion "
        "controlnet-normal null-text-inversion"
    },
}

OFFERED_BY = {
    (kind, id): distribution
    for distribution, offers in _OFFERS.items()
    for kind, ids in offers.items()
    for id in ids.split()
}
"""The distributions of this project that offer these, by (kind, id), for hints when they are not installed."""

_OUR_OWN = {"backend": ("torch",)}
"""What may be named beside what plugins register."""

_NOT_INSTALLED = {"exporter": "nothing installed exports to", "backend": "nothing installed runs on"}

EntryKind = Literal["source", "teacher", "photo source", "exporter", "embedder", "backend"]

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """Something that a plugin registered by id: a source of concepts, a teacher, an exporter, a model and the like."""

    id: str
    factory: Callable[..., Any]
    summary: str
    """One line, or empty."""
    distribution: str
    registered_options: tuple[Option, ...] | None = None
    """For a teacher: the table of options it was registered with, or None."""
    speed: float | None = None
    """For a backend: how many times as fast as PyTorch an edit is on a CPU; None: only used on request."""
    license: str = ""
    """For a teacher: the licence of its weights or program, if its plugin states it."""

    @property
    def options(self) -> tuple[Option, ...] | None:
        """For a teacher: its options; None if neither its plugin nor its factory defines them."""
        return options_of(self.factory, self.registered_options)

    @property
    def version(self) -> str:
        """The distribution and its version, because another version may give other results."""
        try:
            return f"{self.distribution} {importlib.metadata.version(self.distribution)}"
        except (importlib.metadata.PackageNotFoundError, ValueError):  # not installed, so it has no version
            return self.distribution


@dataclass(eq=False)
class PluginInfo:
    """One plugin, loaded or not."""

    name: str
    """The name of its entry point, or of its module if it has none."""
    distribution: str
    version: str
    status: Literal["ok", "broken", "skipped"] = "ok"
    """``broken``: the plugin or a hook of it failed, or a concept of it cannot be read; its working parts are in use.
    ``skipped``: ``E2GAN_LOAD_PLUGINS`` leaves it out."""
    hooks: tuple[str, ...] = ()
    """The hooks it implements."""
    traceback: str | None = None
    """The traceback of its first failure."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a plugin, in one line."""

    plugin: str
    distribution: str
    message: str
    hint: str | None = None


class Registry:
    """Everything that the installed plugins offer.

    Plugins are imported when the registry is loaded; what they offer of each kind is
    collected when that kind is first requested.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._plugins: list[PluginInfo] = []
        self._problems: list[Problem] = []
        self._clashes: dict[tuple[str, str], list[str]] = {}
        self._offers: dict[str, dict[str, Any]] = {}
        self._strict = os.environ.get("E2GAN_STRICT_PLUGINS", "") not in ("", "0")

    @classmethod
    def load(cls, extra: Iterable[Any] = (), *, installed: bool = True) -> Registry:
        """Import the core's own plugins, the installed ones that are allowed, and ``extra`` modules or objects.

        Args:
            installed: False leaves all installed plugins out.

        Raises:
            PluginError: a plugin is broken (only in strict mode).
        """
        registry = cls()
        for module in DEFAULT_PLUGINS:
            info = PluginInfo(module, "e2gan", _core_version())
            registry._add(info, functools.partial(importlib.import_module, module))
        if installed:
            registry._add_installed()
        for plugin in extra:
            name = getattr(plugin, "__name__", None) or type(plugin).__name__
            registry._add(PluginInfo(name, name, ""), functools.partial(_itself, plugin))
        registry._report_unknown_hooks()
        return registry

    # What there is

    @overload
    def all(self, kind: Literal["concept"]) -> dict[str, Concept]: ...
    @overload
    def all(self, kind: EntryKind) -> dict[str, Entry]: ...
    @overload
    def all(self, kind: str) -> dict[str, Any]: ...
    def all(self, kind: str) -> dict[str, Any]:
        """Everything offered of a kind, by id, without the ids that several plugins claim.

        Args:
            kind: one of `KINDS`, or the kind of a hook that a plugin added.  Unreadable concepts are left out.
        """
        if kind not in self._offers:
            self._offers[kind] = self._concepts() if kind == "concept" else self._entries(kind)
        return self._offers[kind]

    @overload
    def get(self, kind: Literal["concept"], id: str) -> Concept: ...
    @overload
    def get(self, kind: EntryKind, id: str) -> Entry: ...
    @overload
    def get(self, kind: str, id: str) -> Any: ...
    def get(self, kind: str, id: str) -> Any:
        """The one thing of a kind with this id.

        Raises:
            ConceptError, TeacherError, DataError: there is no such concept or source, teacher, source of photographs.
            PluginError: there is no such thing of another kind, or several distributions claim the id.
        """
        offered = self.all(kind)
        if id in offered:
            return offered[id]
        if (kind, id) in self._clashes:
            message, which = self._clash(kind, id)
            raise PluginError(message, hint=which)
        if (kind, id) in OFFERED_BY:
            fault = _NOT_INSTALLED.get(kind, f"nothing installed offers the {kind}")
            broken = "; or a plugin is broken: see e2gan plugins" if self._problems else ""
            raise KINDS[kind](f"{fault} {id}", hint=install_command(OFFERED_BY[kind, id]) + broken)
        names = [*_OUR_OWN.get(kind, ()), *offered]
        hint = _concept_meant(id, offered) if kind == "concept" else did_you_mean(id, names)
        if hint is None and self._problems:
            hint = "a plugin is broken; e2gan plugins shows which"
        elif hint is None:
            few = names[:10]
            more = ", …" if len(names) > len(few) else ""
            hint = f"known: {', '.join(few)}{more}" if names else f"no installed plugin offers any {kind}"
        raise KINDS.get(kind, PluginError)(f"no {kind} {shown(id)}", hint=hint)

    @functools.cached_property
    def folders(self) -> dict[Path, list[Callable[[], Iterable[Path]]]]:
        """The plugins' private folders, each with the functions that find their leftovers in it."""
        finders: dict[Path, list[Callable[[], Iterable[Path]]]] = {}
        for info, call in self._implementations("register_folders"):
            offered: list[tuple[Path, Any]] = []

            def register(folder: Any, unfinished: Any = None, *, offered: list[tuple[Path, Any]] = offered) -> None:
                offered.append((Path(folder), unfinished))

            with self._quarantine(info):
                call(register)
                for folder, unfinished in offered:
                    finders.setdefault(folder, []).append(functools.partial(self._unfinished, info, unfinished))
        return finders

    def _unfinished(self, info: PluginInfo, find: Callable[[], Iterable[Path]] | None) -> list[Path]:
        leftovers: list[Path] = []
        with self._quarantine(info):
            leftovers = [Path(path) for path in find()] if find else []
        return leftovers

    @property
    def plugins(self) -> list[PluginInfo]:
        """Every plugin, after trying all its hooks except ``register_commands``, which the program calls."""
        self._gather()
        return list(self._plugins)

    @property
    def problems(self) -> list[Problem]:
        """All problems with the plugins, in the order they were found."""
        self._gather()
        return list(self._problems)

    # Commands

    def register_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands to ``cli``.

        A plugin that fails, or uses the name of an existing command, adds no commands; if two
        plugins add commands with one name, neither is kept.
        """
        core = dict(cli.commands)
        added: list[tuple[str, PluginInfo, click.Command]] = []
        for info, call in self._implementations("register_commands"):
            with self._quarantine(info):
                call(cli)
                for name, command in core.items():
                    if cli.commands.get(name) is not command:
                        raise PluginError(f"the command '{name}' is the program's own and cannot be replaced")
                added += [(name, info, command) for name, command in cli.commands.items() if name not in core]
            cli.commands.clear()
            cli.commands.update(core)
        cli.commands.update(self._unclaimed("command", added))

    # Loading

    def _add_installed(self) -> None:
        allowed = os.environ.get("E2GAN_LOAD_PLUGINS")
        wanted = {_normal(name): name.strip() for name in (allowed or "").split(",") if name.strip()}
        met = set()
        tolerate_damage()
        for entry_point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
            distribution, version = _origin(entry_point)
            info = PluginInfo(entry_point.name, distribution, version)
            names = {_normal(entry_point.name), _normal(distribution)}
            met |= names
            if allowed is not None and not names & set(wanted):
                info.status = "skipped"
                self._plugins.append(info)
            else:
                self._add(info, entry_point.load)
        for place, fault in sorted(damaged().items()):
            name = os.path.basename(place)
            self._plugins.append(info := PluginInfo(name, name, "", status="broken"))
            self._report(info, f"{place}: its entry points cannot be read: {fault}", "install that package again")
        for name in wanted.keys() - met:
            missing = PluginInfo(wanted[name], "", "")
            self._report(missing, "named in E2GAN_LOAD_PLUGINS, but not installed", did_you_mean(name, met))

    def _add(self, info: PluginInfo, load: Callable[[], Any]) -> None:
        """Import a plugin and register it with pluggy; a broken one is only listed."""
        # Not the entry point's name: two distributions may use the same.
        name = str(len(self._plugins))
        self._plugins.append(info)
        with self._quarantine(info):
            plugin = load()
            try:
                if any(self._manager.parse_hookspec_opts(plugin, attribute) for attribute in dir(plugin)):
                    self._manager.add_hookspecs(plugin)
                self._manager.register(plugin, name)
            except BaseException:
                # pluggy leaves a plugin half registered.
                if self._manager.get_plugin(name) is plugin:
                    self._manager.unregister(name=name)
                raise
            info.hooks = tuple(sorted(hook.name for hook in self._manager.get_hookcallers(plugin) or ()))

    def _report_unknown_hooks(self) -> None:
        """Report unknown hooks, once all plugins are loaded: any plugin may add a hook."""
        hooks = self._hooks()
        for info in self._plugins:
            for hook in info.hooks:
                if hook not in hooks:
                    self._report(info, f"there is no hook '{hook}'", did_you_mean(hook, hooks))

    def _implementations(self, hook: str) -> Iterator[tuple[PluginInfo, Callable[..., None]]]:
        """Each implementation of ``hook``; the caller calls them one by one, so that one failure spares the others."""
        if hook not in self._hooks():  # the hook of a plugin that is not installed
            return
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            yield self._plugins[int(implementation.plugin_name)], implementation.function

    def _concepts(self) -> dict[str, Concept]:
        folders: list[tuple[PluginInfo, tuple[object, object, object, bool]]] = []
        for info, call in self._implementations("register_concepts"):
            offered: list[tuple[object, object, object, bool]] = []

            def register(
                folder: object,
                source: object = None,
                name: object = None,
                by_id: bool = True,
                *,
                offered: list[Any] = offered,
            ) -> None:
                offered.append((folder, source, name, by_id))

            with self._quarantine(info):
                call(register)
                folders += [(info, offer) for offer in offered]
        claims: list[tuple[str, PluginInfo, Concept]] = []
        others: list[tuple[str, PluginInfo, Concept]] = []
        for info, (folder, source, name, by_id) in folders:
            # One damaged bundle does not take its neighbours down.
            with self._quarantine(info):
                concept = _read_concept(folder, info.distribution, source, name)
                if by_id or concept.other_name is None:
                    claims.append((concept.id, info, replace(concept, other_name=None)))
                if concept.other_name is not None:
                    others.append((concept.other_name, info, concept))
        by_their_id = self._unclaimed("concept", _together(claims))
        paths = {concept.path for concept in by_their_id.values()}
        unlisted = [claim for claim in others if claim[2].path not in paths]
        return by_their_id | self._unclaimed("concept", unlisted)

    def _entries(self, kind: str) -> dict[str, Entry]:
        claims: list[tuple[str, PluginInfo, Entry]] = []
        for info, call in self._implementations(_hook(kind)):
            entries: list[Entry] = []
            with self._quarantine(info):
                call(_collector(kind, info.distribution, entries))
                claims += [(entry.id, info, entry) for entry in entries]
        return self._unclaimed(kind, claims)

    def _gather(self) -> None:
        for hook in self._hooks():
            if hook not in ("register_folders", "register_commands"):
                self.all(_kind(hook))
        _ = self.folders

    def _hooks(self) -> list[str]:
        """The known hooks: the core's, and those that plugins added."""
        hooks = vars(self._manager.hook)
        return sorted(name for name, caller in hooks.items() if not name.startswith("_") and caller.has_spec())

    # When something is wrong

    @contextmanager
    def _quarantine(self, info: PluginInfo) -> Iterator[None]:
        """Run a plugin's code: keep a failure with its traceback, and skip the rest of the body."""
        heard: list[int] = []
        try:
            with note_interrupts(heard), named_output(info.name):
                yield
        # A plugin may also try to exit the program, or raise KeyboardInterrupt.
        except BaseException as error:
            if heard:
                raise
            info.status = "broken"
            info.traceback = info.traceback or traceback.format_exc()
            expected = isinstance(error, E2GANError)
            message = str(error) if expected else f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            self._report(info, message, getattr(error, "hint", None), error)

    def _report(self, info: PluginInfo, message: str, hint: str | None, cause: BaseException | None = None) -> None:
        if self._strict:
            raise PluginError(f"plugin '{info.name}': {message}", hint=hint) from cause
        self._problems.append(Problem(info.name, info.distribution, message, hint))

    def _unclaimed(self, kind: str, found: Iterable[tuple[str, PluginInfo, T]]) -> dict[str, T]:
        """``found`` (id, its plugin, thing) by id, without the ids that occur more than once."""
        claims: dict[str, list[tuple[PluginInfo, T]]] = {}
        for id, info, thing in found:
            claims.setdefault(id, []).append((info, thing))
        for id, claim in claims.items():
            if len(claim) > 1:
                self._clashes[kind, id] = [info.distribution for info, _ in claim]
                self._report(claim[-1][0], *self._clash(kind, id))
        return {id: claim[0][1] for id, claim in sorted(claims.items()) if len(claim) == 1}

    def _clash(self, kind: str, id: str) -> tuple[str, str]:
        message = f"the {kind} '{id}' is offered by {' and by '.join(map(repr, self._clashes[kind, id]))}"
        return message, "uninstall one, or name the plugins to load in E2GAN_LOAD_PLUGINS"


def _concept_meant(word: str, concepts: Mapping[str, Concept]) -> str | None:
    """A hint with the concept whose name or title is closest to ``word``, in any capitals."""
    meant = {concept.title.lower(): name for name, concept in concepts.items()} | {name: name for name in concepts}
    near = closest(word.lower(), meant)
    return f"did you mean '{meant[near]}'?" if near else None


def _hook(kind: str) -> str:
    return f"register_{kind.replace(' ', '_')}s"


def _kind(hook: str) -> str:
    return hook.removeprefix("register_").removesuffix("s").replace("_", " ")


def _collector(kind: str, distribution: str, entries: list[Entry]) -> Callable[..., None]:
    """The ``register`` that a hook receives: it checks its arguments and adds an entry to ``entries``."""

    def register(
        id: str,
        factory: Callable[..., Any],
        summary: str = "",
        options: Sequence[Option] | None = None,
        speed: float | None = None,
        license: str = "",
    ) -> None:
        if not isinstance(id, str) or not ID_PATTERN.fullmatch(id):
            raise PluginError(f"a {kind}'s id is 1 to 64 lower-case letters, digits and hyphens, not {shown(id)}")
        if not callable(factory):
            raise PluginError(f"the factory of the {kind} '{id}' cannot be called")
        table = None if options is None else tuple(options)
        if not all(isinstance(option, Option) for option in table or ()):
            raise PluginError(f"every option of the {kind} '{id}' must be an e2gan.options.Option")
        if speed is not None and not (isinstance(speed, (int, float)) and 0 < speed < math.inf):
            raise PluginError(f"the speed of the {kind} '{id}' must be a number above 0, not {shown(speed)}")
        if not isinstance(license, str):
            raise PluginError(f"the licence of the {kind} '{id}' must be text, not {shown(license)}")
        entries.append(Entry(id, factory, summary, distribution, table, speed, license))

    return register


def _together(claims: Iterable[tuple[str, PluginInfo, Concept]]) -> Iterator[tuple[str, PluginInfo, Concept]]:
    """Claims, with those that one plugin makes for one id and different bases as one: the first, with the others."""
    kept: list[tuple[str, PluginInfo, Concept]] = []
    for id, info, concept in claims:
        for place, (other_id, other_info, first) in enumerate(kept):
            bases = {one.base_id for one in first.for_all_bases}
            if other_id == id and other_info is info and concept.base_id not in bases:
                kept[place] = id, info, replace(first, others=(*first.others, concept))
                break
        else:
            kept.append((id, info, concept))
    return iter(kept)


def _read_concept(folder: object, distribution: str, source: object, name: object) -> Concept:
    if not isinstance(folder, (str, os.PathLike)):
        raise PluginError(f"a concept must be registered by its folder, not by {shown(folder)}")
    if source is not None and not isinstance(source, str):
        raise PluginError(f"a concept's source must be text, not {shown(source)}")
    if name is not None and not (isinstance(name, str) and ":" in name and name.isprintable()):
        raise PluginError(f"another name of a concept must be text with a colon, not {shown(name)}")
    concept = Concept.read(folder, distribution=distribution, source=source)
    return replace(concept, other_name=name) if name else concept


def _origin(entry_point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution an entry point came with; the version may be empty."""
    # Not dist.name and dist.version: each parses all the metadata with its long description as e-mail.
    distribution: Any = entry_point.dist
    try:
        text = (distribution and distribution.read_text("METADATA")) or ""
    except (OSError, ValueError):  # unreadable, or not UTF-8
        text = ""
    name, version = (re.search(rf"^{key}: *(\S+)", text, re.MULTILINE) for key in ("Name", "Version"))
    return name[1] if name else entry_point.name, version[1] if version else ""


def _itself(thing: T) -> T:
    return thing


def _core_version() -> str:
    try:
        return importlib.metadata.version("e2gan")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return ""


def _normal(name: str) -> str:
    """A distribution's name as packaging tools compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


_load: Callable[[], Registry] = Registry.load
_current: Registry | None = None
# Reentrant, because a plugin may ask for the registry while it is loaded.
_lock = threading.RLock()


def registry() -> Registry:
    """The registry of this process, loaded once, whichever thread asks first."""
    global _current
    with _lock:
        if _current is None:
            _current = _load()
        return _current


def reload_registry() -> None:
    """Reload the registry when it is next used, because something was just installed."""
    global _current
    with _lock:
        _current = None


def use_registry(load: Callable[[], Registry] = Registry.load) -> None:
    """From now on, load the registry with ``load``: tests decide in this way what is installed."""
    global _load
    with _lock:
        _load = load
        reload_registry()


def register_commands(cli: click.Group) -> None:
    """Let the installed plugins add their commands to ``cli``."""
    registry().register_commands(cli)
