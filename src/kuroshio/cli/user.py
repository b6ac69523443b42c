"""`kuroshio user`: the people and programs that may sign in to a node."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from kuroshio import clock
from kuroshio.api.auth import TOKEN_PREFIX
from kuroshio.api.passwords import Passwords, digest_of, new_secret
from kuroshio.cli import output
from kuroshio.errors import ConfigError, InputError, NotFound
from kuroshio.store import ROLES, Operations, User, url_of

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

PASSWORD_VARIABLE = "KUROSHIO_PASSWORD"  # noqa: S105  (the name of a variable)

Store = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="KUROSHIO_STORE",
        help="Data folder of the node, its operations.db, or a database URL.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Name = Annotated[str, typer.Argument(help="Name to sign in with.")]


def _open(place: str, *, make: bool = False) -> Operations:
    url = url_of(place)
    if not make and url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise ConfigError(f"no store at {place}", code="config.store", advice="Name the data folder of the node.")
    return Operations(url)


def _shown(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "roles": list(user.roles),
        "has_password": user.password_hash is not None,
        "created_at": clock.rfc3339(user.created_us),
    }


def _ask_password() -> str:
    """Password from the environment, from stdin when that is no terminal, else asked twice."""
    given = os.environ.get(PASSWORD_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@app.command()
def add(
    name: Name,
    store: Store,
    role: Annotated[list[str], typer.Option("--role", help=f"One of {', '.join(ROLES)}; may be given again.")],
    token: Annotated[bool, typer.Option("--token", help="Make a bearer token instead of a password.")] = False,
    json: Json = False,
) -> None:
    """Add a user. The password comes from KUROSHIO_PASSWORD, from stdin, or is asked for."""
    if not role:
        raise InputError("a user needs a role", code="user.role", advice=f"Roles are {', '.join(ROLES)}.")
    hashed = None if token else Passwords().hash(_ask_password())
    now_us = clock.now_us()
    with _open(store, make=True) as operations:
        user = operations.add_user(name, roles=role, password_hash=hashed, now_us=now_us)
        answer = _shown(user)
        if token:
            secret = new_secret(TOKEN_PREFIX)
            operations.open_session(
                digest_of(secret), name, now_us=now_us, expires_us=None, kind="token", label="command line"
            )
            answer["token"] = secret
        detail = {"user": name, "roles": list(user.roles)}
        operations.append_audit("command line", "user add", outcome="ok", at_us=now_us, detail=detail)
    if json:
        output.emit_json(answer)
    else:
        output.say(f"added {name} with role {', '.join(user.roles)}")
        if token:
            sys.stdout.write(f"{answer['token']}\n")


@app.command("list")
def list_users(store: Store, json: Json = False) -> None:
    """List users and their roles."""
    with _open(store) as operations:
        users = [_shown(user) for user in operations.list_users()]
    if json:
        output.emit_json({"users": users})
    else:
        rows = [
            [user["name"], ", ".join(user["roles"]), "yes" if user["has_password"] else "no", user["created_at"]]  # type: ignore[arg-type]
            for user in users
        ]
        output.print_table("Users", ["name", "roles", "password", "created"], rows)


@app.command()
def remove(name: Name, store: Store, json: Json = False) -> None:
    """Remove a user; its sessions and tokens end within two seconds on a running node."""
    with _open(store) as operations:
        operations.remove_user(name)
        at_us = clock.now_us()
        operations.append_audit("command line", "user remove", outcome="ok", at_us=at_us, detail={"user": name})
    if json:
        output.emit_json({"removed": name})
    else:
        output.say(f"removed {name}")


@app.command()
def password(name: Name, store: Store, json: Json = False) -> None:
    """Set a new password; every session and token of the user ends."""
    with _open(store) as operations:
        if operations.user(name) is None:
            raise NotFound(f"no user {name!r}", code="user.unknown")
        hashed = Passwords().hash(_ask_password())
        at_us = clock.now_us()
        operations.change_user(name, password_hash=hashed, now_us=at_us)
        operations.append_audit("command line", "user password", outcome="ok", at_us=at_us, detail={"user": name})
    if json:
        output.emit_json({"changed": name})
    else:
        output.say(f"changed the password of {name}")
