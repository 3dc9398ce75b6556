"""`accel-opt dashboard`: studies in a browser, while searches run and afterwards."""

from __future__ import annotations

from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages

EXAMPLE = "accel-opt dashboard --study shapes-DDIMScheduler-20-deepcache+tgate+tome"


def dashboard(
    storage: Annotated[
        str | None,
        typer.Option(help="Such as sqlite:///my.db; all databases below ./studies by default."),
    ] = None,
    study: Annotated[str | None, typer.Option(help="Print this study's address.")] = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8080,
    host: Annotated[
        str, typer.Option(help="Anything but this machine lets everybody there look.")
    ] = "127.0.0.1",
    as_json: JsonFlag = False,
) -> None:
    """Serves optuna-dashboard with the feasible best, images and notes; Ctrl-C ends it.

    It is for reading: studies cannot be changed there, but for their notes.
    """
    from accel_opt.search.dashboard import LOOPBACK, Storages, server, study_path

    storages = Storages(storage)
    with server(storages, host, port) as served:
        path = study_path(storages, study)
        url = f"http://{host}:{served.server_port}{path}"
        if host not in LOOPBACK:
            warning = f"{host} is open to others: there is no password, everybody may look"
            messages().print(clean(f"warning: {warning}"), markup=False)
        if as_json:
            emit_json({"url": url})
        messages().print(clean(f"{url} (Ctrl-C ends it)"), markup=False)
        try:
            served.serve_forever()
        except KeyboardInterrupt:
            return
