"""What the migrating role must be allowed to do in PostgreSQL, looked at before anything is changed."""

from __future__ import annotations

from sqlalchemy import Connection

from keeper.adapters.audit.head import MIGRATE
from keeper.adapters.audit.postgres_ddl import AUDITOR, WRITER
from keeper.domain.errors import StoreNotMigrated

_WHO = "SELECT current_user, current_database(), rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user"
_MAY = (
    "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE'), "
    "pg_catalog.has_schema_privilege('public', 'CREATE')"
)
_OWNER = (
    "SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'public' AND c.relname = 'records' AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')"
)
# two databases of one server may be made at once, and roles are the server's
_CREATE_ROLE = (
    "DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
)


def make_ready(connection: Connection) -> None:
    """Makes the roles that are missing. ``connection`` is in the upgrade's transaction.

    Raises StoreNotMigrated, with what an administrator has to run, where the role of this connection may not do it.
    """
    me, database, may_make_roles = connection.exec_driver_sql(_WHO).one()
    owner = connection.exec_driver_sql(_OWNER).scalar()
    if owner is not None:
        raise StoreNotMigrated(
            f"the log belongs to the role {owner}, and {me} is no member of it", remedy=f"as {owner}, {MIGRATE}"
        )
    needed = []
    for role in (WRITER, AUDITOR):
        if connection.exec_driver_sql(f"SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = '{role}'").first() is None:  # noqa: S608
            if may_make_roles:
                connection.exec_driver_sql(_CREATE_ROLE.format(role=role))
            else:
                needed.append(f"CREATE ROLE {role} NOLOGIN;")
    in_database, in_schema = connection.exec_driver_sql(_MAY).one()
    if not in_database:
        needed.append(f"GRANT CREATE ON DATABASE {_quoted(database)} TO {_quoted(me)};")
    if not in_schema:
        needed.append(f"GRANT CREATE, USAGE ON SCHEMA public TO {_quoted(me)};")
    if needed:
        raise StoreNotMigrated(
            f"the role {me} may not make what the log needs in the database {database}",
            remedy=f"let an administrator run there: {' '.join(needed)} Then {MIGRATE}",
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
