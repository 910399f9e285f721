"""The log over HTTP for programs: read-only JSON under /api/v1, described by its own OpenAPI document. FastAPI stays here and in the pages."""
