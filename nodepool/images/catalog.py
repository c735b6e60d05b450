# SPDX-License-Identifier: Apache-2.0
"""Make the service users and the endpoints that a controller image's database carries: ``catalog.py HOST``.

It speaks keystone's own API, which this process serves for the moment. ADMIN_PASSWORD and keystone's
configuration come from the environment. The users' passwords are ones that nobody knows.
"""

import os
import secrets
import socketserver
import sys
import threading
import wsgiref.simple_server

import requests

REGION = "RegionOne"


class ThreadingServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Keystone:
    """Keystone's API as the administrator."""

    def __init__(self, url, password):
        self.url = url
        self.session = requests.Session()
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
        response = self.call("POST", "auth/tokens", auth=auth)
        self.session.headers["X-Auth-Token"] = response.headers["X-Subject-Token"]

    def call(self, method, path, **body):
        response = self.session.request(method, f"{self.url}/{path}", json=body or None)
        response.raise_for_status()
        return response

    def create(self, kind, **attributes):
        """Create a project, user, service or endpoint; return its identifier."""
        return self.call("POST", f"{kind}s", **{kind: attributes}).json()[kind]["id"]

    def write_catalog(self, host):
        endpoints = {
            "glance": ("image", f"http://{host}:9292"),
            "placement": ("placement", f"http://{host}:8778"),
            "nova": ("compute", f"http://{host}:8774/v2.1"),
            "neutron": ("network", f"http://{host}:9696"),
            "cinder": ("block-storage", f"http://{host}:8776/v3"),
        }
        roles = {role["name"]: role["id"] for role in self.call("GET", "roles").json()["roles"]}
        project = self.create("project", name="service", domain_id="default")
        for name, (kind, url) in endpoints.items():
            user = self.create("user", name=name, domain_id="default", password=secrets.token_hex(16))
            for role in ("admin", "service"):
                self.call("PUT", f"projects/{project}/users/{user}/roles/{roles[role]}")
            service = self.create("service", name=name, type=kind)
            for interface in ("public", "internal", "admin"):
                self.create("endpoint", service_id=service, interface=interface, url=url, region_id=REGION)


def main():
    (host,) = sys.argv[1:]
    del sys.argv[1:]  # keystone reads them too, when it is imported
    from keystone.wsgi.api import application

    with ThreadingServer(("127.0.0.1", 0), wsgiref.simple_server.WSGIRequestHandler) as server:
        server.set_app(application)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Keystone(f"http://127.0.0.1:{server.server_port}/v3", os.environ["ADMIN_PASSWORD"]).write_catalog(
            host
        )
        server.shutdown()


if __name__ == "__main__":
    main()
