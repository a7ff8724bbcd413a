"""One REST request of the Open Inference Protocol, as the gateway wants it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from schemas.errors import TransientError


@dataclass(frozen=True)
class Answer:
    """What came back: its JSON, whether it was an inference, and which model version gave it."""

    value: Any
    ok: bool
    model: str


def ask(gateway: str, name: str, body: object, timeout: float) -> Answer:
    """Ask ``name`` at ``gateway``. TransientError ``GatewayUnreachable`` or ``UnexpectedAnswer``."""
    try:
        with httpx.Client(timeout=timeout, trust_env=False) as http:
            answer = http.post(
                f"{gateway}/v2/models/{quote(name, safe='')}/infer", json=body, headers={"Seldon-Model": name}
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        hint = "is a controller running? see `moorage status`"
        raise TransientError("GatewayUnreachable", f"{gateway}: {error}", hint) from error
    try:
        value = answer.json()
    except ValueError as error:
        message = f"{gateway} answered {answer.status_code} without JSON"
        raise TransientError("UnexpectedAnswer", message) from error
    model = value.get("model_name") if isinstance(value, dict) else None
    return Answer(value, answer.is_success, model if isinstance(model, str) else "")
