"""The hub of models and data sets: whether it answers, and what its failures mean.

`HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_ENDPOINT` are read by huggingface_hub itself.
"""

from __future__ import annotations

import pickle
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from accel_opt.core.errors import AccelOptError, HubUnreachableError, InputError
from accel_opt.core.imports import TORCHVISION_BROKEN, causes

PROBE_S = 5.0


def reachable() -> bool:
    """Whether a connection to the hub can be opened.

    huggingface_hub tries for half a minute a file before it gives up; this asks once. Behind a
    proxy there is no telling, so that the answer is yes. `HF_HUB_OFFLINE` means no.
    """
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and _answers(constants.ENDPOINT)


def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    host, port = address.hostname or "", address.port or (80 if address.scheme == "http" else 443)
    if address.scheme in getproxies() and not proxy_bypass(host):
        return True
    try:
        with socket.create_connection((host, port), timeout=PROBE_S):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class Wanted:
    """What was asked of the hub when it failed.

    Attributes:
        source: Hub id or folder.
        what: What it should be, for messages: "model", "data set", "CLIP checkpoint".
        offline_ways: What a person can do without the hub, in one sentence.
        revision: Branch, tag or commit.
        cache_dir: Where it was looked for; None is the usual cache.
        local_files_only: Whether the caller forbade fetching.
    """

    source: str
    what: str
    offline_ways: str
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False


def explained(error: BaseException, wanted: Wanted) -> AccelOptError:
    """What a failed load means, as an error of ours; `error` is read with all its causes."""
    links = tuple(causes(error))
    for explain in (_of_the_file, _of_the_hub):
        for link in links:
            found = explain(link, wanted)
            if found is not None:
                return found
    text = " ".join(str(error).split())
    return InputError(f"cannot load {wanted.source}: {text[:300]}")


def unreachable(wanted: Wanted) -> HubUnreachableError:
    """The error that says where it was looked for, and what to do offline."""
    from huggingface_hub import constants

    where = f"the cache ({wanted.cache_dir or constants.HF_HUB_CACHE})"
    if constants.HF_HUB_OFFLINE or wanted.local_files_only:
        way = "HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "local_files_only"
        why = f"{wanted.source} is not in {where}, and {way} forbids to fetch it"
    else:
        why = f"{wanted.source} is neither in {where} nor is the hub reachable"
    return HubUnreachableError(f"{why}. {wanted.offline_ways}")


def _of_the_file(error: BaseException, wanted: Wanted) -> AccelOptError | None:
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in text.lower():
        return InputError(
            f"{wanted.source} holds a pickled checkpoint with more than tensors in it; reading it "
            "could run code, so it is refused. Give a copy saved as safetensors"
        )
    if "trust_remote_code" in text:
        return InputError(
            f"{wanted.source} brings Python code of its own; accel_opt runs none of it"
        )
    if "torchvision::" in text:
        return InputError(TORCHVISION_BROKEN)
    return None


def _of_the_hub(error: BaseException, wanted: Wanted) -> AccelOptError | None:
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError | ConnectionError | TimeoutError):
        return unreachable(wanted)
    source, what = wanted.source, wanted.what
    login = "log in with `hf auth login` or set HF_TOKEN"
    # Most special first: a gated repository is a kind of missing one to huggingface_hub.
    meanings: tuple[tuple[type[BaseException], str], ...] = (
        (
            errors.GatedRepoError,
            f"{source} is gated: accept its terms at https://huggingface.co/{source}, then {login}",
        ),
        (
            errors.RepositoryNotFoundError,
            f"the hub has no {what} {source}, or it is private: check the name, or {login}",
        ),
        (
            errors.RevisionNotFoundError,
            f"{source} has no revision {wanted.revision!r}; leave revision out",
        ),
        (errors.EntryNotFoundError, f"{source} lacks files that every {what} has"),
        (
            errors.HFValidationError,
            f"{source!r} is no name of a {what} on the hub; write owner/name",
        ),
    )
    for kind, text in meanings:
        if isinstance(error, kind):
            return InputError(text)
    return None
