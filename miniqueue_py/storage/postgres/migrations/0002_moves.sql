-- The moves in a message's life, one function each. They are called by whoever has a line.

-- Take the line for a turn. A broker that was reaped has none any more: MQ001. A turn that
-- was committed, though its answer was lost, is not made again: MQ002.
CREATE FUNCTION fence(_broker bigint, _line int, _turn bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _last bigint;
BEGIN
    IF _line IS NULL THEN RETURN; END IF;
    UPDATE line l SET turn = _turn FROM
        (SELECT turn FROM line WHERE broker = _broker AND number = _line FOR UPDATE) before
    WHERE l.broker = _broker AND l.number = _line RETURNING before.turn INTO _last;
    IF NOT FOUND THEN RAISE EXCEPTION 'lost' USING ERRCODE = 'MQ001'; END IF;
    IF _last >= _turn THEN RAISE EXCEPTION 'done' USING ERRCODE = 'MQ002'; END IF;
END $$;

CREATE FUNCTION count_up(
    _topic bigint, _slot int, _messages bigint, _bytes bigint, _in_flight bigint = 0,
    _delayed bigint = 0, _published bigint = 0, _delivered bigint = 0,
    _acknowledged bigint = 0, _expired bigint = 0, _buried bigint = 0
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO tally AS t VALUES (_topic, _slot, _messages, _bytes, _in_flight, _delayed,
        _published, _delivered, _acknowledged, _expired, _buried)
    ON CONFLICT (topic, slot) DO UPDATE SET
        messages = t.messages + _messages, bytes = t.bytes + _bytes,
        in_flight = t.in_flight + _in_flight, delayed = t.delayed + _delayed,
        published = t.published + _published, delivered = t.delivered + _delivered,
        acknowledged = t.acknowledged + _acknowledged, expired = t.expired + _expired,
        buried = t.buried + _buried;
END $$;

-- Take places at the back of a topic, which is made if need be; tell who waits for it.
CREATE FUNCTION enter(_name text, _count int, OUT _topic bigint, OUT _before bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _was_awaited boolean;
BEGIN
    UPDATE topic t SET tail = t.tail + _count, is_awaited = false FROM
        (SELECT id, is_awaited FROM topic WHERE name = _name FOR UPDATE) before
    WHERE t.id = before.id RETURNING t.id, t.tail - _count, before.is_awaited
    INTO _topic, _before, _was_awaited;
    IF NOT FOUND THEN
        INSERT INTO topic AS t (name, tail, is_awaited) VALUES (_name, _count, false)
        ON CONFLICT (name) DO UPDATE SET tail = t.tail + _count, is_awaited = false
        RETURNING t.id, t.tail - _count INTO _topic, _before;
        _was_awaited := true;
    END IF;
    IF _was_awaited THEN PERFORM pg_notify('miniqueue', 'r' || _name); END IF;
END $$;

-- Tell who waits for a topic that something of it is ready. It waits for whoever is about
-- to wait, and the other way round: so one of the two sees the other.
CREATE FUNCTION wake(_topic bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _row topic;
BEGIN
    SELECT * INTO _row FROM topic WHERE id = _topic FOR UPDATE;
    IF FOUND AND _row.is_awaited THEN
        UPDATE topic SET is_awaited = false WHERE id = _topic;
        PERFORM pg_notify('miniqueue', 'r' || _row.name);
    END IF;
END $$;

CREATE FUNCTION open_lanes(_topic bigint, _priorities smallint[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(_priorities) p WHERE NOT EXISTS
        (SELECT FROM lane WHERE topic = _topic AND priority = p)) THEN
        INSERT INTO lane (topic, priority) SELECT DISTINCT _topic, p FROM unnest(_priorities) p
        ORDER BY 2 ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- Arrays that are NULL stand for what most messages have.
CREATE FUNCTION append(
    _broker bigint, _line int, _turn bigint, _slot int, _name text, _now_ms bigint,
    _bodies bytea[], _priorities smallint[], _expires bigint[], _dues bigint[],
    OUT _topic bigint, OUT _before bigint
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _delayed bigint := 0;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    SELECT * INTO _topic, _before FROM enter(_name, cardinality(_bodies));
    PERFORM open_lanes(_topic, coalesce(_priorities, '{0}'));
    INSERT INTO message (topic, priority, position, body, published_ms, expires_ms)
    SELECT _topic, coalesce(p, 0), _before + n, b, _now_ms, e
    FROM unnest(_bodies, _priorities, _expires, _dues) WITH ORDINALITY u(b, p, e, d, n)
    WHERE d IS NULL;
    IF _dues IS NOT NULL THEN
        INSERT INTO delayed
        SELECT d, _topic, _before + n, coalesce(p, 0), b, _now_ms, _topic, _before + n, e, 0, 0
        FROM unnest(_bodies, _priorities, _expires, _dues) WITH ORDINALITY u(b, p, e, d, n)
        WHERE d IS NOT NULL;
        GET DIAGNOSTICS _delayed = ROW_COUNT;
    END IF;
    PERFORM count_up(_topic, _slot, cardinality(_bodies),
        (SELECT coalesce(sum(length(b)), 0) FROM unnest(_bodies) b),
        0, _delayed, cardinality(_bodies));
END $$;

-- As append, one by one: what has a key that is known is not stored again. If it is known for
-- another body, nothing is stored: the one row has no numbers, and the key.
CREATE FUNCTION append_once(
    _broker bigint, _line int, _turn bigint, _slot int, _name text, _now_ms bigint,
    _bodies bytea[], _priorities smallint[], _expires bigint[], _dues bigint[],
    _keys text[], _digests bytea[], _until_ms bigint
) RETURNS TABLE (_id_topic bigint, _id_sequence bigint, _is_duplicate boolean, _reused text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _topic bigint; _known record; _place record;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    SELECT id INTO _topic FROM topic WHERE name = _name FOR UPDATE;
    SELECT k.key INTO _reused FROM unnest(_keys, _digests) u(word, digest) JOIN key k
        ON k.topic = _topic AND k.key = u.word AND k.until_ms > _now_ms
        AND k.digest <> u.digest LIMIT 1;
    IF FOUND THEN RETURN NEXT; RETURN; END IF;
    SELECT e._topic INTO _topic FROM enter(_name, 0) e;
    FOR i IN 1..cardinality(_bodies) LOOP
        _is_duplicate := false;
        IF _keys[i] IS NOT NULL THEN
            SELECT k.id_topic, k.id_sequence INTO _known FROM key k
            WHERE k.topic = _topic AND k.key = _keys[i] AND k.until_ms > _now_ms;
            _is_duplicate := FOUND;
        END IF;
        IF _is_duplicate THEN
            _id_topic := _known.id_topic; _id_sequence := _known.id_sequence;
        ELSE
            SELECT * INTO _place FROM append(NULL, NULL, NULL, _slot, _name, _now_ms,
                _bodies[i:i], _priorities[i:i], _expires[i:i], _dues[i:i]);
            _id_topic := _topic; _id_sequence := _place._before + 1;
            IF _keys[i] IS NOT NULL THEN
                INSERT INTO key VALUES
                    (_topic, _keys[i], _id_topic, _id_sequence, _digests[i], _until_ms)
                ON CONFLICT (topic, key) DO UPDATE SET id_topic = EXCLUDED.id_topic,
                    id_sequence = EXCLUDED.id_sequence, digest = EXCLUDED.digest,
                    until_ms = EXCLUDED.until_ms;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION keep_batch(_name text, _key text, _messages bigint, _until_ms bigint)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO batch SELECT _topic, _key, _messages, _until_ms FROM enter(_name, 0)
    ON CONFLICT (topic, key) DO UPDATE SET messages = _messages, until_ms = _until_ms;
END $$;

-- Remove what was acknowledged, by ranges, and the claims of which nothing is left.
CREATE FUNCTION acknowledge(
    _broker bigint, _line int, _turn bigint, _slot int, _topic bigint,
    _priorities smallint[], _firsts bigint[], _lasts bigint[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE _count bigint; _size bigint;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    WITH gone AS (
        DELETE FROM message m USING unnest(_priorities, _firsts, _lasts) r(p, f, l)
        WHERE m.topic = _topic AND m.priority = r.p AND m.position BETWEEN r.f AND r.l
        RETURNING length(m.body) AS size
    ) SELECT count(*), coalesce(sum(size), 0) INTO _count, _size FROM gone;
    IF EXISTS (SELECT FROM topic WHERE id = _topic) THEN
        PERFORM count_up(_topic, _slot, -_count, -_size, -_count, 0, 0, 0, _count);
    END IF;
END $$;

CREATE FUNCTION close_claims(
    _broker bigint, _topic bigint, _priorities smallint[], _firsts bigint[]
) RETURNS void LANGUAGE sql SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    DELETE FROM claim c USING unnest(_priorities, _firsts) r(p, f)
    WHERE c.topic = _topic AND c.priority = r.p AND c.first = r.f AND c.broker = _broker;
$$;

-- Let go of a part of claims: those that are gone fall apart into those that are kept and
-- those that are nobody's. Those that have failed count an attempt.
CREATE FUNCTION give_back(
    _broker bigint, _line int, _turn bigint, _slot int, _topic bigint,
    _gone_priorities smallint[], _gone bigint[],
    _priorities smallint[], _firsts bigint[], _lasts bigint[], _are_kept boolean[],
    _failed_priorities smallint[], _failed bigint[], _returned bigint, _unseen bigint
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM fence(_broker, _line, _turn);
    PERFORM FROM topic WHERE id = _topic;
    IF NOT FOUND THEN RETURN; END IF;
    PERFORM close_claims(_broker, _topic, _gone_priorities, _gone);
    UPDATE message m SET attempts = attempts + 1
    FROM unnest(_failed_priorities, _failed) r(p, f)
    WHERE m.topic = _topic AND m.priority = r.p AND m.position = r.f;
    INSERT INTO claim SELECT _topic, p, f, l, CASE WHEN k THEN _broker END
    FROM unnest(_priorities, _firsts, _lasts, _are_kept) r(p, f, l, k);
    PERFORM count_up(_topic, _slot, 0, 0, -_returned, 0, 0, -_unseen);
    PERFORM wake(_topic);
END $$;

-- Move messages to the back of a topic, the same or another, as they are from now on.
CREATE FUNCTION carry(
    _broker bigint, _line int, _turn bigint, _slot int, _topic bigint, _target text,
    _priorities smallint[], _positions bigint[], _expires bigint[], _attempts int[],
    _dacks int[], _origins text[], _is_buried boolean
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE _to bigint; _before bigint; _count bigint; _size bigint;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    PERFORM FROM topic WHERE id = _topic;
    IF NOT FOUND THEN RETURN; END IF;
    SELECT * INTO _to, _before FROM enter(_target, cardinality(_positions));
    PERFORM open_lanes(_to, _priorities);
    WITH gone AS (
        DELETE FROM message m
        USING unnest(_priorities, _positions, _expires, _attempts, _dacks, _origins)
            WITH ORDINALITY r(p, f, e, a, d, o, n)
        WHERE m.topic = _topic AND m.priority = r.p AND m.position = r.f
        RETURNING m.*, r.e, r.a, r.d, r.o, r.n
    ), came AS (
        INSERT INTO message SELECT _to, priority, _before + n, body, published_ms,
            coalesce(id_topic, topic), coalesce(id_sequence, position), e, a, d, o FROM gone
        RETURNING length(body) AS size
    ) SELECT count(*), coalesce(sum(size), 0) INTO _count, _size FROM came;
    PERFORM count_up(_topic, _slot, -_count, -_size, -_count, 0, 0, 0, 0, 0,
        CASE WHEN _is_buried THEN _count ELSE 0 END);
    PERFORM count_up(_to, _slot, _count, _size);
END $$;

CREATE FUNCTION set_aside(
    _broker bigint, _line int, _turn bigint, _slot int, _topic bigint,
    _priorities smallint[], _positions bigint[], _dues bigint[], _attempts int[], _dacks int[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE _count bigint;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    WITH gone AS (
        DELETE FROM message m USING unnest(_priorities, _positions, _dues, _attempts, _dacks)
            r(p, f, u, a, d)
        WHERE m.topic = _topic AND m.priority = r.p AND m.position = r.f
        RETURNING m.*, r.u, r.a, r.d
    ) INSERT INTO delayed SELECT u, topic, position, priority, body, published_ms,
        coalesce(id_topic, topic), coalesce(id_sequence, position), expires_ms, a, d, origin
    FROM gone;
    GET DIAGNOSTICS _count = ROW_COUNT;
    PERFORM count_up(_topic, _slot, 0, 0, -_count, _count);
END $$;
