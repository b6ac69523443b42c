"""The paths of the API, one module a subject; each is a router that `kuroshio.api.app` mounts under /api/v1."""
