"""How the two databases read a body: the same answer from both, and NULL for what is not there or not of the kind asked for.

A log may hold bodies that no keeper of this version wrote. A view that fails on one of them would hide all the others.
"""

from __future__ import annotations

from typing import Final, Protocol


class Dialect(Protocol):
    """``doc`` is what stands for a body's document; ``path`` are the keys from there. Every method gives an expression."""

    name: str

    def table(self, name: str) -> str:
        """A table."""
        ...

    def view(self, name: str) -> str:
        """A view."""
        ...

    def source(self, *kinds: str) -> str:
        """The records of these kinds (none: all), with the document of the body as the column ``doc``."""
        ...

    def text(self, doc: str, *path: str) -> str:
        """A text; an empty one is NULL."""
        ...

    def whole(self, doc: str, *path: str) -> str:
        """A JSON number without fraction, below 10^18."""
        ...

    def amount(self, doc: str, *path: str) -> str:
        """Text of digits, as wei are written: NUMERIC in PostgreSQL, text in SQLite."""
        ...

    def measured(self, doc: str, *path: str) -> str:
        """Text of a decimal, as measured milliseconds are written: NUMERIC in PostgreSQL, REAL in SQLite."""
        ...

    def flag(self, doc: str, *path: str) -> str:
        """A boolean; 1 and 0 in SQLite."""
        ...

    def time_of_ms(self, doc: str, *path: str) -> str:
        """Text of milliseconds since 1970, as ISO 8601 UTC."""
        ...

    def time_of_s(self, doc: str, *path: str) -> str:
        """A JSON number of seconds since 1970, as ISO 8601 UTC."""
        ...

    def ms(self, iso: str) -> str:
        """The milliseconds since 1970 of ISO 8601 UTC text."""
        ...

    def product(self, count: str, amount: str) -> str:
        """A whole number times an amount, exactly; NULL from 9 * 10^9 and from 10^27 on."""
        ...


class Sqlite:
    """JSON functions of SQLite."""

    name = "sqlite"

    def table(self, name: str) -> str:
        return name

    view = table

    def source(self, *kinds: str) -> str:
        return f"(SELECT r.*, {_SQLITE_DOC} AS doc FROM records AS r{_where(kinds)})"  # noqa: S608

    def text(self, doc: str, *path: str) -> str:
        return f"CASE json_type({doc}, {_dollar(path)}) WHEN 'text' THEN nullif(json_extract({doc}, {_dollar(path)}), '') END"

    def whole(self, doc: str, *path: str) -> str:
        value = f"json_extract({doc}, {_dollar(path)})"
        return (
            f"CASE WHEN json_type({doc}, {_dollar(path)}) = 'integer' AND typeof({value}) = 'integer' "
            f"AND {value} BETWEEN -999999999999999999 AND 999999999999999999 THEN {value} END"
        )

    def amount(self, doc: str, *path: str) -> str:
        value = f"json_extract({doc}, {_dollar(path)})"
        return (
            f"CASE WHEN json_type({doc}, {_dollar(path)}) = 'text' AND length({value}) BETWEEN 1 AND 78 "
            f"AND {value} NOT GLOB '*[^0-9]*' AND ({value} = '0' OR {value} NOT GLOB '0*') THEN {value} END"
        )

    def measured(self, doc: str, *path: str) -> str:
        value = f"json_extract({doc}, {_dollar(path)})"
        return (
            f"CASE WHEN json_type({doc}, {_dollar(path)}) = 'text' AND length({value}) BETWEEN 1 AND 40 "
            f"AND {value} NOT GLOB '*[^0-9.-]*' AND {value} NOT GLOB '?*-*' AND {value} NOT GLOB '*.*.*' "
            f"AND ltrim({value}, '-') GLOB '[0-9]*' AND {value} GLOB '*[0-9]' THEN CAST({value} AS REAL) END"
        )

    def flag(self, doc: str, *path: str) -> str:
        return f"CASE json_type({doc}, {_dollar(path)}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"

    def time_of_ms(self, doc: str, *path: str) -> str:
        ms = f"CAST({self.amount(doc, *path)} AS INTEGER)"
        shown = f"strftime('%Y-%m-%dT%H:%M:%S', {ms} / 1000, 'unixepoch') || printf('.%03dZ', {ms} % 1000)"
        return f"CASE WHEN {ms} <= {_LAST_MS} THEN {shown} END"

    def time_of_s(self, doc: str, *path: str) -> str:
        seconds = self.whole(doc, *path)
        return f"CASE WHEN {seconds} BETWEEN 0 AND {_LAST_MS // 1000} THEN strftime('%Y-%m-%dT%H:%M:%S.000Z', {seconds}, 'unixepoch') END"

    def ms(self, iso: str) -> str:
        return f"(CAST(strftime('%s', {iso}) AS INTEGER) * 1000 + CAST(substr({iso}, 21, 3) AS INTEGER))"

    def product(self, count: str, amount: str) -> str:
        # three limbs of nine digits: 64 bits hold each product with what is carried over
        digits = f"substr('{'0' * 27}' || {amount}, -27)"
        high, middle, low = (f"CAST(substr({digits}, {start}, 9) AS INTEGER)" for start in (1, 10, 19))
        carried = f"({count} * {middle} + {count} * {low} / 1000000000)"
        text = f"printf('%d%09d%09d', {count} * {high} + {carried} / 1000000000, {carried} % 1000000000, {count} * {low} % 1000000000)"
        fits = f"{count} BETWEEN 0 AND 8999999999 AND length({amount}) <= 27"
        return f"CASE WHEN {fits} THEN coalesce(nullif(ltrim({text}, '0'), ''), '0') END"


class Postgres:
    """jsonb of PostgreSQL, made of the text once for each record by ``audit.doc``."""

    name = "postgresql"

    def table(self, name: str) -> str:
        return f"public.{name}"

    def view(self, name: str) -> str:
        return f"audit.{name}"

    def source(self, *kinds: str) -> str:
        # OFFSET 0 keeps the planner from reading the document again for every column
        return (
            "(SELECT r.*, d.doc FROM public.records AS r "  # noqa: S608
            f"CROSS JOIN LATERAL (SELECT audit.doc(r.body) AS doc OFFSET 0) AS d{_where(kinds)})"
        )

    def text(self, doc: str, *path: str) -> str:
        return (
            f"CASE jsonb_typeof({doc} #> {_braces(path)}) WHEN 'string' THEN nullif({doc} #>> {_braces(path)}, '') END"
        )

    def whole(self, doc: str, *path: str) -> str:
        return self._as("bigint", "number", "^-?[0-9]{1,18}$", doc, path)

    def amount(self, doc: str, *path: str) -> str:
        return self._as("numeric", "string", "^(0|[1-9][0-9]{0,77})$", doc, path)

    def measured(self, doc: str, *path: str) -> str:
        return self._as("numeric", "string", r"^(?=.{1,40}$)-?[0-9]+(\.[0-9]+)?$", doc, path)

    def flag(self, doc: str, *path: str) -> str:
        return self._as("boolean", "boolean", "^(true|false)$", doc, path)

    def time_of_ms(self, doc: str, *path: str) -> str:
        return self._time(f"({self.amount(doc, *path)})", _LAST_MS)

    def time_of_s(self, doc: str, *path: str) -> str:
        return self._time(f"({self.whole(doc, *path)} * 1000)", _LAST_MS // 1000 * 1000)

    def ms(self, iso: str) -> str:
        return f"audit.ms({iso})"

    def product(self, count: str, amount: str) -> str:
        return f"CASE WHEN {count} BETWEEN 0 AND 8999999999 AND {amount} < 1000000000000000000000000000 THEN {count} * {amount} END"

    def _as(self, wanted: str, kind: str, form: str, doc: str, path: tuple[str, ...]) -> str:
        value = f"{doc} #>> {_braces(path)}"
        return f"CASE WHEN jsonb_typeof({doc} #> {_braces(path)}) = '{kind}' AND ({value}) ~ '{form}' THEN ({value})::{wanted} END"

    def _time(self, ms: str, last_ms: int) -> str:
        day = f"to_char(to_timestamp(floor({ms} / 1000.0)::double precision) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        shown = f"{day} || '.' || lpad(({ms} % 1000)::text, 3, '0') || 'Z'"
        return f"CASE WHEN {ms} BETWEEN 0 AND {last_ms} THEN {shown} END"


_LAST_MS: Final = 253_402_300_799_999
# A backslash that is itself escaped must not be taken for the beginning of an escape: those pairs are out of the way meanwhile.
_SQLITE_DOC: Final = (
    r"CASE WHEN typeof(r.body) <> 'text' THEN NULL WHEN NOT json_valid(r.body) THEN NULL WHEN instr(r.body, '\u') = 0 THEN r.body "
    r"WHEN replace(r.body, '\\', '') GLOB '*\u[dD][89abcdefABCDEF]*' THEN NULL "
    r"ELSE replace(replace(replace(r.body, '\\', char(1)), '\u0000', '\ufffd'), char(1), '\\') END"
)
POSTGRES_HELPERS: Final[dict[str, str]] = {
    "audit.doc": (
        "CREATE FUNCTION audit.doc(body text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$\n"
        "BEGIN\n"
        "  IF strpos(body, '\\u') = 0 THEN\n"
        "    RETURN body::jsonb;\n"
        "  ELSIF replace(body, '\\\\', '') ~ '\\\\u[dD][89a-fA-F]' THEN\n"
        "    RETURN NULL;\n"
        "  END IF;\n"
        "  RETURN replace(replace(replace(body, '\\\\', chr(1)), '\\u0000', '\\ufffd'), chr(1), '\\\\')::jsonb;\n"
        "EXCEPTION WHEN OTHERS THEN\n"
        "  RETURN NULL;\n"
        "END\n"
        "$$"
    ),
    "audit.ms": (
        "CREATE FUNCTION audit.ms(iso text) RETURNS bigint LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$\n"
        "BEGIN\n"
        "  RETURN round(extract(epoch FROM iso::timestamptz) * 1000);\n"
        "EXCEPTION WHEN OTHERS THEN\n"
        "  RETURN NULL;\n"
        "END\n"
        "$$"
    ),
}
"""Name -> statement. One bad record is NULL, and no error."""


def _where(kinds: tuple[str, ...]) -> str:
    return f" WHERE r.kind IN ({', '.join(repr(kind) for kind in kinds)})" if kinds else ""


def _dollar(path: tuple[str, ...]) -> str:
    return "'$." + ".".join(path) + "'"


def _braces(path: tuple[str, ...]) -> str:
    return "'{" + ",".join(path) + "}'"
