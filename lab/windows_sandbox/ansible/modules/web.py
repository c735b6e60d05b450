# SPDX-License-Identifier: Apache-2.0
"""win_get_url, win_uri: requests that the host makes."""

import base64
import calendar
import hashlib
import json
import ntpath
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.ansible.modules.files import checksum

# What nothing here acts on; refused when a task sets it.
_UNKNOWN = ("client_cert", "client_cert_password", "proxy_url", "proxy_username", "proxy_password")


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, policy: str, most: int):
        self.policy, self.max_redirections = policy, most

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        safe = req.get_method() in ("GET", "HEAD")
        if self.policy == "none" or (self.policy == "safe" and not safe):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(
    call: ModuleCall, url: str, method: str, body: bytes | None = None
) -> tuple[int, Message, bytes, str]:
    """Return status, headers, content and last URL; ModuleFailed if there is no answer at all."""
    for name in _UNKNOWN:
        if call[name]:
            raise ModuleFailed(f"the simulated host does not know the parameter {name}")
    if url.lower().startswith("file:"):
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path).lstrip("/").replace("/", "\\")
        if not call.session.is_file(path):
            raise ModuleFailed(f"Could not find file '{path}'.")
        return 200, Message(), call.session.local(path).read_bytes(), url
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ModuleFailed(f"the simulated host fetches http, https and file URLs, not {url}")
    context = ssl.create_default_context()
    if not call["validate_certs"]:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(None if call["use_proxy"] else {}),
        urllib.request.HTTPSHandler(context=context),
        _Redirects(call["follow_redirects"], call["maximum_redirection"]),
    )
    headers = {"User-Agent": call["http_agent"], **{k: str(v) for k, v in (call["headers"] or {}).items()}}
    if call["url_username"] and call["force_basic_auth"]:
        pair = f"{call['url_username']}:{call['url_password'] or ''}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with opener.open(request, timeout=call["url_timeout"] or None) as answer:
            return answer.status, answer.headers, answer.read(), answer.url
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read(), error.url
    except (OSError, ValueError) as error:
        raise ModuleFailed(str(getattr(error, "reason", error)), url=url) from error


def win_get_url(call: ModuleCall) -> dict[str, Any]:
    started, session, url = time.monotonic(), call.session, call["url"]
    if call["checksum"] and call["checksum_url"]:
        raise ModuleFailed("parameters are mutually exclusive: checksum, checksum_url")
    target = _target(call)
    result: dict[str, Any] = {"url": url, "dest": target, "changed": False}
    algorithm, expected = call["checksum_algorithm"], (call["checksum"] or "").strip().lower() or None
    if call["checksum_url"]:
        expected = _remote_checksum(call, url)
    present = checksum(session.local(target), algorithm) if session.is_file(target) else None
    if present and expected == present and not call["force"]:
        fetch = False
    elif present and not call["force"] and expected is None and call.version >= (3, 3):
        # Without a checksum 2.8 takes every file for another one than is wanted.
        status, headers, _, _ = _fetch(call, url, "HEAD")
        stamp = headers.get("Last-Modified")
        modified = calendar.timegm(time.strptime(stamp, "%a, %d %b %Y %H:%M:%S %Z")) if stamp else time.time()
        fetch = modified > session.local(target).stat().st_mtime
    else:
        fetch = True
    if fetch:
        parent = ntpath.dirname(target)
        if not session.is_directory(parent):
            raise ModuleFailed(
                f"The path '{parent}' does not exist for destination '{target}', or is not visible"
                " to the current user. Ensure download destination folder exists (perhaps using"
                " win_file state=directory) before win_get_url runs.",
                **result,
            )
        status, _, content, _ = _fetch(call, url, call["url_method"] or "GET")
        result["status_code"] = status
        if status >= 400:
            raise ModuleFailed(
                f"Error downloading '{url}' to '{target}': The remote server returned an error: ({status})",
                **result,
            )
        got = hashlib.new(algorithm, content).hexdigest()
        result["checksum_src"] = got
        if expected and expected != got:
            raise ModuleFailed(f"The checksum for {url} did not match '{expected}', it was '{got}'", **result)
        result["changed"] = got != present
        if result["changed"] and not call.check_mode:
            session.writable(target).write_bytes(content)
    if session.is_file(target):
        result |= {
            "checksum_dest": checksum(session.local(target), algorithm),
            "size": session.local(target).stat().st_size,
        }
    return result | {"elapsed": time.monotonic() - started}


def _target(call: ModuleCall) -> str:
    if call.session.is_directory(call["dest"]):
        parts = urllib.parse.urlsplit(call["url"])
        return ntpath.join(call.session.path(call["dest"]), ntpath.basename(parts.path) or parts.hostname)
    if call["dest"].endswith(("\\", "/")):
        raise ModuleFailed(
            f"The destination path '{call['dest']}' does not exist, or is not visible to the current"
            " user. Ensure download destination folder exists (perhaps using win_file"
            " state=directory) before win_get_url runs."
        )
    return call.session.path(call["dest"])


def _remote_checksum(call: ModuleCall, url: str) -> str:
    name = urllib.parse.urlsplit(url).path.rpartition("/")[2]
    status, _, content, _ = _fetch(call, call["checksum_url"].strip(), "GET")
    for line in content.decode(errors="replace").splitlines() if status < 400 else ():
        if match := re.fullmatch(rf"(\S+)\s+\*?\.?[/\\]?{re.escape(name)}\s*", line):
            return match[1].lower()
    raise ModuleFailed(
        f"Checksum record not found for file name '{name}' in file from url: '{call['checksum_url']}'"
    )


def win_uri(call: ModuleCall) -> dict[str, Any]:
    started, session, url = time.monotonic(), call.session, call["url"]
    method = (call["url_method"] or "GET").upper()
    if not re.fullmatch("[A-Z]+", method):
        raise ModuleFailed("Parameter 'method' needs to be a single word in uppercase, like GET or POST.")
    for name, skips, words in (("creates", True, "already exists"), ("removes", False, "does not exist")):
        if call[name] and session.exists(call[name]) == skips:
            text = f"The '{name}' file or directory ({call[name]}) {words}."
            return {"url": url, "elapsed": 0, "skipped": True, "msg": text}
    if call.check_mode and method not in ("GET", "HEAD"):
        return {"url": url, "elapsed": 0, "changed": True}
    body = call["body"]
    if body is not None:
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    if call["content_type"]:
        call.parameters["headers"] = {**(call["headers"] or {}), "Content-Type": call["content_type"]}
    status, headers, content, last = _fetch(call, url, method, body)
    result: dict[str, Any] = {
        "url": url,
        "changed": False,
        "status_code": status,
        "response_uri": last,
        "method": method,
        "content_length": len(content),
        "content_type": headers.get("Content-Type", ""),
        "elapsed": time.monotonic() - started,
    }
    result |= {name.replace("-", "_").lower(): value for name, value in headers.items() if name not in result}
    if call["return_content"]:
        result["content"] = content.decode(errors="replace")
        if re.search("text|json|javascript", result["content_type"]):
            try:
                result["json"] = json.loads(content)
            except ValueError:
                result.pop("json", None)
    if call["dest"]:
        target = call["dest"]
        digest = hashlib.sha256(content).hexdigest()
        same = session.is_file(target) and checksum(session.local(target), "sha256") == digest
        result["changed"] = not same
        if not same and not call.check_mode:
            session.writable(target).write_bytes(content)
    if status not in call["status_code"]:
        wanted = ", ".join(map(str, call["status_code"]))
        raise ModuleFailed(
            f"Status code of request '{status}' is not in list of valid status codes {wanted}", **result
        )
    return result
