"""`her-os models`: the models on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from her_os.cli.models_output import Progress, as_size, describe_state, print_models, tell_need
from her_os.cli.operator import operator_settings
from her_os.cli.options import AsJson, ConfigFile
from her_os.contracts.errors import ConfigError
from her_os.service.gpu_memory import GpuMemory, GpuUnreadable
from her_os.service.install.layout import Layout, is_installed
from her_os.service.model_store import store as on_disk
from her_os.service.model_store.catalogue import Catalogue, Model, read_catalogue
from her_os.service.model_store.puller import Need, Wishes, bring_in, pull
from her_os.service.model_store.stored import store_folder
from her_os.settings import Settings

app = typer.Typer(help="The models on this machine: list, pull, verify, remove, import.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `her-os models list` shows it.")]
TrustFirst = Annotated[
    bool,
    typer.Option(
        "--trust-first-download",
        help="Take a model that the catalogue does not pin, and remember what came: its revision, sizes and SHA-256.",
    ),
]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Agree to the licence without being asked, as where nobody can answer.")
]


@app.command("list")
def list_models(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every model of the catalogue and of the store. `pinned`: the catalogue knows each file's SHA-256."""
    settings, catalogue, store = _open(config)
    found = on_disk.entries(store, catalogue)
    if as_json:
        rows = [
            {
                "name": entry.name,
                "engine": entry.model.engine if entry.model else "",
                "state": describe_state(entry),
                "here": entry.here,
                "pinned": bool(entry.model and entry.model.pinned),
                "size": entry.size,
                "licence": entry.model.licence if entry.model else "",
                "folder": str(store / entry.name) if entry.here else "",
            }
            for entry in found
        ]
        typer.echo(json.dumps({"store": str(store), "models": rows}, indent=2))
    else:
        print_models(found)
        typer.echo(f"\nstore: {store}; entries of your own: {settings.resolve(settings.models.catalogue)}")


@app.command("pull")
def pull_model(
    name: Name,
    config: ConfigFile = None,
    trust_first: TrustFirst = False,
    accept_licence: AcceptLicence = False,
) -> None:
    """Download a model, or what is missing of it, and check every file.

    What it takes of the disk, the memory and the graphics card is shown first, and its licence once.
    """
    settings, catalogue, store = _open(config)
    model = catalogue.find(name)
    if on_disk.is_good(store, model):
        typer.echo(f"{model.name} is in {store} already, every file as it should be")
        return
    with Progress() as progress:
        wishes = _wishes(settings, store, progress, trust_first, accept_licence)
        locked = pull(model, wishes)
    _say_brought(model, locked.origin, store)


@app.command("import")
def import_models(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A model's folder, or a stick with several.")],
    config: ConfigFile = None,
    name: Annotated[str, typer.Option("--name", help="Which model it is, where its folder has another name.")] = "",
    trust_first: TrustFirst = False,
    accept_licence: AcceptLicence = False,
) -> None:
    """Copy models from a folder or a USB stick, checking every file as after a download. Needs no network."""
    settings, catalogue, store = _open(config)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}")
    found = [(catalogue.find(name), folder)] if name else on_disk.models_in(folder, catalogue)
    if not found:
        raise ConfigError(
            f"{folder} holds no model of the catalogue: a model's folder has its name, or carries its record; "
            "otherwise say which it is with --name"
        )
    for model, place in found:
        with Progress() as progress:
            wishes = _wishes(settings, store, progress, trust_first, accept_licence)
            locked = bring_in(model, place, wishes)
        _say_brought(model, locked.origin, store)


@app.command("verify")
def verify_models(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One model; without: every one that is here.")] = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Read the files that are here and compare each with its SHA-256. Exit status 1 where one differs."""
    _, catalogue, store = _open(config)
    names = [catalogue.find(name).name if catalogue.get(name) else name] if name else []
    names = names or [entry.name for entry in on_disk.entries(store, catalogue) if entry.here]
    wrong: dict[str, list[str]] = {}
    for each in names:
        with Progress() as progress:
            wrong[each] = on_disk.verify(store, each, catalogue, progress.file)
        if not as_json:
            for problem in wrong[each]:
                typer.echo(f"{each}: {problem}", err=True)
            if not wrong[each]:
                typer.echo(f"{each}: every file is as it should be")
    if as_json:
        typer.echo(json.dumps({"store": str(store), "wrong": wrong}, indent=2))
    elif not names:
        typer.echo(f"there is no model in {store}")
    elif any(wrong.values()):
        typer.echo("mend it: her-os models remove NAME, then her-os models pull NAME", err=True)
    raise typer.Exit(1 if any(wrong.values()) else 0)


@app.command("remove")
def remove_model(
    name: Name,
    config: ConfigFile = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget its sums, too: the next download is a first one again.")
    ] = False,
) -> None:
    """Delete a model from this machine, with what was half downloaded of it."""
    _, catalogue, store = _open(config)
    known = catalogue.get(name)
    freed = on_disk.remove(store, known.name if known else name, forget=forget)
    typer.echo(f"removed; {as_size(freed)} are free again")


def _open(config: Path | None) -> tuple[Settings, Catalogue, Path]:
    settings = operator_settings(config)
    if is_installed() and "HER_OS_CACHE_DIR" not in os.environ:
        environment = msgspec.structs.replace(settings.environment, cache_dir=Layout().state[1])
        settings = msgspec.structs.replace(settings, environment=environment)
    return settings, read_catalogue(settings), store_folder(settings)


def _wishes(settings: Settings, store: Path, progress: Progress, trust_first: bool, accept: bool) -> Wishes:
    def agree(model: Model) -> bool:
        typer.echo(f"{model.name} comes under: {model.licence}{' - ' * bool(model.licence_url)}{model.licence_url}")
        if accept:
            return True
        if not sys.stdin.isatty():
            raise ConfigError("nobody can be asked here: read the licence, then add --accept-licence")
        return typer.confirm("Do you agree to it?")

    def tell(need: Need) -> None:
        tell_need(need, _card(settings))

    return Wishes(
        store, settings.models.hub, agree=agree, tell=tell, progress=progress.file, trust_first=trust_first
    )  # fmt: skip


def _card(settings: Settings) -> str:
    """What the graphics card has free, in words."""
    try:
        reading = asyncio.run(GpuMemory(settings.loader.gpu_index).read())
    except GpuUnreadable as error:
        return f"a graphics card that does not tell its memory ({error})"
    if reading is None:
        return "no graphics card here"
    return f"graphics card: {reading.total_mb - reading.used_mb:.0f} of {reading.total_mb:.0f} MB free"


def _say_brought(model: Model, origin: str, store: Path) -> None:
    typer.echo(f"{model.name} is in {store / model.name}")
    if origin != "catalogue":
        typer.echo(
            f"it was trusted as it came ({origin}); its revision, sizes and SHA-256 are in {store / 'lock.json'} and "
            "asked of every later one"
        )
