"""Whether a PostgreSQL database still has the functions that the migrations made, and nobody more rights than they gave."""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg

from keeper.adapters.audit.finding import Finding
from keeper.adapters.audit.postgres_ddl import AUDITOR, FUNCTIONS, LOCKS, TABLES, WRITER
from keeper.adapters.audit.postgres_lease_ddl import LEASE_FUNCTIONS
from keeper.adapters.audit.view_sql import POSTGRES_HELPERS
from keeper.adapters.audit.views import VIEWS

WHERE: Final = "pg_catalog"
"""What a finding about the schema names as its table."""

_VOLATILE: Final = {"IMMUTABLE": "i", "STABLE": "s"}
_HEAD: Final = re.compile(
    r"CREATE FUNCTION ([a-z_.]+)\(([^)]*)\) RETURNS (\S+) LANGUAGE plpgsql ([^$]*)\$\$(.*)\$\$", re.DOTALL
)
_FUNCTIONS: Final = """
SELECT n.nspname || '.' || p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), p.prosrc, p.prosecdef,
  p.provolatile::text, p.proisstrict, p.proleakproof, p.proparallel::text, p.proconfig, p.prosupport::oid::bigint,
  l.lanname::text, pg_get_userbyid(p.proowner)::text
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
WHERE n.nspname || '.' || p.proname = ANY (%s)
"""
# what an extension brought is the administrator's
_FOREIGN: Final = """
SELECT n.nspname || '.' || p.proname, p.prosecdef FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE (n.nspname = 'audit' OR (n.nspname = 'public' AND p.prosecdef)) AND n.nspname || '.' || p.proname <> ALL (%s)
  AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
"""
# acldefault: no list at all stands for the rights that are usual
_RIGHTS: Final = """
SELECT c.relname::text, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee)::text END, x.privilege_type
FROM pg_class AS c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS x
WHERE ((c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)) OR c.relnamespace = to_regnamespace('audit')) AND x.grantee <> c.relowner
UNION ALL
SELECT n.nspname || '.' || p.proname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee)::text END, x.privilege_type
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
  CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
WHERE p.prosecdef AND n.nspname || '.' || p.proname = ANY (%s) AND x.grantee <> p.proowner
"""
_SCHEMAS: Final = """
SELECT n.nspname::text, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee)::text END
FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) AS x
WHERE n.nspname IN ('public', 'audit') AND x.privilege_type = 'CREATE' AND x.grantee <> n.nspowner
"""
_IN_AUDIT: Final = """
SELECT 'schema audit', pg_get_userbyid(n.nspowner)::text FROM pg_namespace AS n WHERE n.nspname = 'audit'
UNION ALL
SELECT 'view audit.' || c.relname, pg_get_userbyid(c.relowner)::text FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('audit')
"""
_POWERS: Final = """
SELECT rolname::text FROM pg_roles WHERE rolname IN (%s, %s)
  AND (rolsuper OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
"""
_MEMBERS: Final = """
SELECT pg_get_userbyid(m.member)::text, pg_get_userbyid(m.roleid)::text FROM pg_auth_members AS m
WHERE pg_get_userbyid(m.member) IN (%s, %s) ORDER BY 1, 2
"""


def check_functions(cursor: psycopg.Cursor[Any], owner: str) -> None:
    """``owner`` of the tables. Raises Finding."""
    statements = FUNCTIONS | LEASE_FUNCTIONS | POSTGRES_HELPERS
    found: dict[str, Any] = {}
    for name, *rest in cursor.execute(_FUNCTIONS, (list(statements),)):
        if name in found:
            raise Finding(WHERE, None, f"there is a second function {name}")
        found[name] = tuple(rest)
    compare("function", found, {name: _made_by(statement, owner) for name, statement in statements.items()})
    for name, with_rights in cursor.execute(_FOREIGN, (list(statements),)):
        how = " with the rights of its owner" if with_rights else ""
        raise Finding(WHERE, None, f"there is a function {name}{how} that the migrations did not make")


def check_rights(cursor: psycopg.Cursor[Any], tables: list[str], owner: str) -> None:
    """``owner`` of ``tables``. Raises Finding."""
    views = {f"view audit.{name}" for name in (*(view.name for view in VIEWS), *LOCKS)}
    for name, whose in cursor.execute(_IN_AUDIT):
        if name not in {"schema audit", *views}:
            raise Finding(WHERE, None, f"there is {name.removeprefix('view ')} that the migrations did not make")
        if whose != owner:
            raise Finding(WHERE, None, f"the {name} belongs to {whose}, and records to {owner}")
    allowed = {"SELECT": None, "INSERT": WRITER, "EXECUTE": WRITER}
    for name, role, right in cursor.execute(_RIGHTS, (tables, list(FUNCTIONS | LEASE_FUNCTIONS))):
        if right not in allowed or allowed[right] not in (None, role) or (right == "INSERT" and name not in TABLES):
            raise Finding(WHERE, None, f"{role} has the right to {right} on {name}, which the migrations did not give")
    for name, role in cursor.execute(_SCHEMAS):
        # in ``public`` others may have things of their own, which the fixed paths keep from ours
        if role != owner and (name == "audit" or role in (WRITER, AUDITOR)):
            raise Finding(WHERE, None, f"{role} has the right to CREATE in {name}, which the migrations did not give")
    for (role,) in cursor.execute(_POWERS, (WRITER, AUDITOR)):
        raise Finding(WHERE, None, f"the role {role} can do more than the migrations allow it")
    for role, given in cursor.execute(_MEMBERS, (WRITER, AUDITOR)):
        raise Finding(
            WHERE, None, f"the role {role} is a member of {given}, and can do more than the migrations allow it"
        )


def compare(what: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raises Finding for the first that is missing or differs."""
    for name, one in wanted.items():
        if name not in found:
            raise Finding(WHERE, None, f"the {what} {name} is missing")
        if found[name] != one:
            raise Finding(WHERE, None, f"the {what} {name} is not the one the migrations made, or is disabled")


def none_too_many(what: str, found: dict[str, Any], wanted: dict[str, str]) -> None:
    """Raises Finding for the first that is not wanted."""
    for name in found:
        if name not in wanted:
            raise Finding(WHERE, None, f"there is a {what} {name} that the migrations did not make")


def _made_by(statement: str, owner: str) -> tuple[Any, ...]:
    """What the server keeps of a function, as its statement says it."""
    made = _HEAD.fullmatch(statement)
    assert made is not None, "the migrations write them in one way"
    _, arguments, result, flags, body = made.groups()
    volatile = next((short for word, short in _VOLATILE.items() if word in flags), "v")
    path = ["search_path=pg_catalog, pg_temp"]
    secure, strict = "SECURITY DEFINER" in flags, "STRICT" in flags
    return (arguments, result, body, secure, volatile, strict, False, "u", path, 0, "plpgsql", owner)
