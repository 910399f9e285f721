CREATE TABLE public.lease (
  id INTEGER NOT NULL,
  fence BIGINT NOT NULL,
  holder TEXT NOT NULL,
  session INTEGER NOT NULL,
  since_ms BIGINT NOT NULL,
  renewed_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  before TEXT NOT NULL,
  why TEXT NOT NULL,
  silent_ms BIGINT NOT NULL,
  CONSTRAINT pk_lease PRIMARY KEY (id),
  CONSTRAINT ck_lease_id CHECK (id = 1)
)
-- next
CREATE TABLE public.replicas (
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  fence BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  evaluated BIGINT NOT NULL,
  heard_ms BIGINT NOT NULL,
  version TEXT NOT NULL,
  config TEXT NOT NULL,
  CONSTRAINT pk_replicas PRIMARY KEY (name)
)
-- next
CREATE FUNCTION audit.session_ended(session integer, renewed_ms bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint < $2 AND NOT EXISTS (SELECT 1 FROM pg_locks AS k
    WHERE k.pid = $1 AND k.relation = 'audit.lock_running'::regclass AND k.mode = 'RowShareLock' AND k.granted);
END
$$
-- next
CREATE FUNCTION public.lock_replica() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE audit.lock_running IN ROW SHARE MODE NOWAIT;
END
$$
-- next
CREATE FUNCTION public.lock_appending_as(fence bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  LOCK TABLE audit.lock_appending IN EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT 1 FROM public.lease AS l WHERE l.fence = $1 AND l.holder <> '' AND l.expires_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint) THEN
    RAISE EXCEPTION 'the lease with fence % is over', $1 USING ERRCODE = 'KL001';
  END IF;
END
$$
-- next
CREATE FUNCTION public.take_lease(replica text, session integer, length_ms bigint, ended boolean) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  now_ms bigint;
  taken bigint;
BEGIN
  LOCK TABLE audit.lock_appending IN EXCLUSIVE MODE;
  now_ms := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  INSERT INTO public.lease VALUES (1, 0, '', 0, now_ms, now_ms, now_ms, '', '', 0) ON CONFLICT DO NOTHING;
  UPDATE public.lease AS l SET fence = l.fence + 1, holder = $1, session = $2, since_ms = now_ms, renewed_ms = now_ms,
    expires_ms = now_ms + $3, before = CASE l.holder WHEN '' THEN l.before ELSE l.holder END, silent_ms = now_ms - l.renewed_ms,
    why = CASE WHEN l.holder = '' THEN 'free' WHEN l.expires_ms <= now_ms THEN 'expired' ELSE 'session-ended' END
  WHERE l.holder = '' OR l.expires_ms <= now_ms OR ($4 AND audit.session_ended(l.session, l.renewed_ms))
  RETURNING l.fence INTO taken;
  RETURN taken;
END
$$
-- next
CREATE FUNCTION public.renew_lease(fence bigint, session integer, length_ms bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE public.lease AS l SET session = $2, renewed_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint, expires_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3
  WHERE l.fence = $1 AND l.holder <> '';
  RETURN FOUND;
END
$$
-- next
CREATE FUNCTION public.release_lease(fence bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE public.lease AS l SET before = l.holder, holder = '', renewed_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint, expires_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
  WHERE l.fence = $1 AND l.holder <> '';
  RETURN FOUND;
END
$$
-- next
CREATE FUNCTION public.hear_replica(replica text, role text, fence bigint, seen bigint, evaluated bigint, version text, config text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public.replicas VALUES ($1, $2, $3, $4, $5, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $6, $7) ON CONFLICT (name) DO UPDATE SET
    role = excluded.role, fence = excluded.fence, seen = excluded.seen, evaluated = excluded.evaluated,
    heard_ms = excluded.heard_ms, version = excluded.version, config = excluded.config;
  DELETE FROM public.replicas AS r WHERE r.heard_ms < (extract(epoch FROM clock_timestamp()) * 1000)::bigint - 86400000;
END
$$
-- next
REVOKE ALL ON public.lease, public.replicas FROM PUBLIC, keeper_writer, keeper_auditor
-- next
GRANT SELECT ON public.lease, public.replicas TO keeper_writer, keeper_auditor
-- next
REVOKE ALL ON FUNCTION public.lock_replica(), public.lock_appending_as(bigint), public.take_lease(text, integer, bigint, boolean), public.renew_lease(bigint, integer, bigint), public.release_lease(bigint), public.hear_replica(text, text, bigint, bigint, bigint, text, text), audit.session_ended(integer, bigint) FROM PUBLIC
-- next
GRANT EXECUTE ON FUNCTION public.lock_replica(), public.lock_appending_as(bigint), public.take_lease(text, integer, bigint, boolean), public.renew_lease(bigint, integer, bigint), public.release_lease(bigint), public.hear_replica(text, text, bigint, bigint, bigint, text, text) TO keeper_writer
