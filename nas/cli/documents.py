"""JSON documents that commands are given as files."""

import json
import sys
from pathlib import Path
from typing import Any

from nas.errors import Invalid


def read_object(file: Path, what: str) -> dict[str, Any]:
    """The JSON object in a file or, for `-`, on standard input. Raises `Invalid` with line and column; `what` says what was
    expected."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Invalid(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{file} cannot be read as JSON: {error}") from None
    if not isinstance(document, dict):
        raise Invalid(f"{file} holds no JSON object; {what} is one")
    return document
