-- How messages are handed to brokers, and what becomes of a broker that is gone.

-- The first row tells how many had expired, as its position, and as `last` if there is more;
-- the others are messages, each with the range of the claim that it is in.
CREATE FUNCTION take(
    _broker bigint, _line int, _turn bigint, _slot int, _name text, _limit int,
    _room bigint, _now_ms bigint, _most_expired int
) RETURNS TABLE (
    _topic bigint, _priority smallint, _first bigint, _last bigint, _position bigint,
    _body bytea, _published bigint, _id_topic bigint, _id_sequence bigint,
    _expires bigint, _attempts int, _dacks int, _origin text
) LANGUAGE plpgsql ROWS 100 SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
    _id bigint; _lane record; _back record; _from bigint; _to bigint; _taken int;
    _total int := 0; _gone int := 0; _gone_bytes bigint := 0; _has_more boolean := false;
    _is_free boolean; _start bigint; _end bigint; _m message; _was_awaited boolean;
    _found claim[] := '{}'; _range claim;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    SELECT id INTO _id FROM topic WHERE name = _name;
    IF NOT FOUND THEN RETURN; END IF;
    _topic := _id;
    FOR _look IN 1..2 LOOP
        FOR _lane IN SELECT priority, cursor FROM lane WHERE topic = _id
            ORDER BY topic DESC, priority DESC FOR UPDATE LOOP
            LOOP
                EXIT WHEN _total >= _limit OR _room <= 0 OR _gone >= _most_expired;
                -- What came back stands before all that was never handed out.
                SELECT first, last INTO _back FROM claim WHERE topic = _id
                    AND priority = _lane.priority AND broker IS NULL ORDER BY first LIMIT 1;
                _is_free := FOUND;
                _from := CASE WHEN _is_free THEN _back.first ELSE _lane.cursor + 1 END;
                _to := CASE WHEN _is_free THEN _back.last ELSE 9223372036854775807 END;
                _start := NULL; _end := NULL; _taken := 0;
                FOR _m IN SELECT * FROM message WHERE topic = _id AND priority = _lane.priority
                    AND position BETWEEN _from AND _to ORDER BY position
                    LIMIT _limit - _total + _most_expired LOOP
                    _end := _m.position;
                    IF _m.expires_ms <= _now_ms THEN
                        DELETE FROM message WHERE topic = _id AND priority = _m.priority
                            AND position = _m.position;
                        _gone := _gone + 1;
                        _gone_bytes := _gone_bytes + length(_m.body);
                    ELSE
                        _start := coalesce(_start, _m.position);
                        _taken := _taken + 1;
                        _room := _room - length(_m.body);
                    END IF;
                    EXIT WHEN _total + _taken >= _limit OR _room <= 0 OR _gone >= _most_expired;
                END LOOP;
                _total := _total + _taken;
                IF _is_free THEN
                    DELETE FROM claim WHERE topic = _id AND priority = _lane.priority
                        AND first = _from;
                    IF _end < _to THEN
                        INSERT INTO claim VALUES (_id, _lane.priority, _end + 1, _to);
                    END IF;
                ELSIF _end IS NOT NULL THEN
                    UPDATE lane SET cursor = _end WHERE topic = _id AND priority = _lane.priority;
                    _lane.cursor := _end;
                END IF;
                IF _taken > 0 THEN
                    INSERT INTO claim VALUES (_id, _lane.priority, _start, _end, _broker);
                    _found := _found || ROW(_id, _lane.priority, _start, _end, _broker)::claim;
                END IF;
                EXIT WHEN NOT _is_free AND _taken = 0;
            END LOOP;
        END LOOP;
        _has_more := _gone >= _most_expired;
        EXIT WHEN _total >= _limit OR _room <= 0 OR _has_more;
        -- Wait first, look second: whatever comes to stand here after that look is told of.
        SELECT is_awaited INTO _was_awaited FROM topic WHERE id = _id;
        EXIT WHEN _was_awaited;
        UPDATE topic SET is_awaited = true WHERE id = _id;
    END LOOP;
    IF _total > 0 OR _gone > 0 THEN
        PERFORM count_up(_id, _slot, -_gone, -_gone_bytes, _total, 0, 0, _total, 0, _gone);
    END IF;
    _position := _gone; _last := CASE WHEN _has_more THEN 1 ELSE 0 END;
    RETURN NEXT;
    FOREACH _range IN ARRAY _found LOOP
        RETURN QUERY SELECT m.topic, m.priority, _range.first, _range.last, m.position, m.body,
            m.published_ms, m.id_topic, m.id_sequence, m.expires_ms, m.attempts, m.dacks, m.origin
        FROM message m WHERE m.topic = _id AND m.priority = _range.priority
            AND m.position BETWEEN _range.first AND _range.last ORDER BY m.position;
    END LOOP;
END $$;

-- Hand out single messages, wherever they stand: what is stepped over becomes as what came back.
CREATE FUNCTION take_seen(
    _broker bigint, _line int, _turn bigint, _slot int, _id bigint,
    _priorities smallint[], _positions bigint[], _now_ms bigint
) RETURNS TABLE (
    _topic bigint, _priority smallint, _first bigint, _last bigint, _position bigint,
    _body bytea, _published bigint, _id_topic bigint, _id_sequence bigint,
    _expires bigint, _attempts int, _dacks int, _origin text
) LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE _lane record; _m message; _c claim; _total int := 0; _gone int := 0; _size bigint := 0;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    PERFORM FROM topic WHERE id = _id;
    IF NOT FOUND THEN RETURN; END IF;
    FOR _lane IN SELECT priority, cursor FROM lane WHERE topic = _id
        ORDER BY topic DESC, priority DESC FOR UPDATE LOOP
        SELECT max(f) INTO _last FROM unnest(_priorities, _positions) r(p, f)
            WHERE p = _lane.priority;
        IF _last > _lane.cursor THEN
            INSERT INTO claim VALUES (_id, _lane.priority, _lane.cursor + 1, _last);
            UPDATE lane SET cursor = _last WHERE topic = _id AND priority = _lane.priority;
        END IF;
    END LOOP;
    FOR i IN 1..cardinality(_positions) LOOP
        SELECT * INTO _m FROM message WHERE topic = _id AND priority = _priorities[i]
            AND position = _positions[i];
        CONTINUE WHEN NOT FOUND;
        SELECT * INTO _c FROM claim WHERE topic = _id AND priority = _m.priority
            AND broker IS NULL AND first <= _m.position ORDER BY first DESC LIMIT 1;
        CONTINUE WHEN NOT FOUND OR _c.last < _m.position;
        DELETE FROM claim WHERE topic = _id AND priority = _m.priority AND first = _c.first;
        IF _c.first < _m.position THEN
            INSERT INTO claim VALUES (_id, _m.priority, _c.first, _m.position - 1);
        END IF;
        IF _c.last > _m.position THEN
            INSERT INTO claim VALUES (_id, _m.priority, _m.position + 1, _c.last);
        END IF;
        IF _m.expires_ms <= _now_ms THEN
            DELETE FROM message WHERE topic = _id AND priority = _m.priority
                AND position = _m.position;
            _gone := _gone + 1; _size := _size + length(_m.body);
            CONTINUE;
        END IF;
        INSERT INTO claim VALUES (_id, _m.priority, _m.position, _m.position, _broker);
        _total := _total + 1;
        RETURN QUERY SELECT _m.topic, _m.priority, _m.position, _m.position, _m.position,
            _m.body, _m.published_ms, _m.id_topic, _m.id_sequence, _m.expires_ms,
            _m.attempts, _m.dacks, _m.origin;
    END LOOP;
    PERFORM count_up(_id, _slot, -_gone, -_size, _total, 0, 0, _total, 0, _gone);
    _topic := _id; _priority := NULL; _position := _gone; _body := NULL; _last := 0;
    RETURN NEXT;
END $$;

-- Take claims from a broker: of a topic, all but those that it knows.
CREATE FUNCTION disown(
    _broker bigint, _line int, _turn bigint, _slot int, _topic bigint,
    _priorities smallint[], _firsts bigint[]
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _count bigint;
BEGIN
    PERFORM fence(_broker, _line, _turn);
    WITH lost AS (
        UPDATE claim c SET broker = NULL WHERE c.topic = _topic AND c.broker = _broker
            AND (c.priority, c.first) NOT IN
                (SELECT p, f FROM unnest(_priorities, _firsts) r(p, f))
        RETURNING c.*
    ) SELECT count(*) INTO _count FROM lost JOIN message m ON m.topic = lost.topic
        AND m.priority = lost.priority AND m.position BETWEEN lost.first AND lost.last;
    PERFORM count_up(_topic, _slot, 0, 0, -_count, 0, 0, -_count);
    PERFORM wake(_topic);
END $$;

-- Give what a broker holds to others if it has not said for a lease that it is there, or if
-- it says that it leaves. Returns how many messages that are.
CREATE FUNCTION reap(_leaving bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _gone bigint; _each record; _total bigint := 0;
BEGIN
    FOR _gone IN DELETE FROM broker WHERE id IN (
        SELECT id FROM broker WHERE id = _leaving OR (_leaving IS NULL AND expires_at < now())
        ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 10) RETURNING id LOOP
        DELETE FROM line WHERE broker = _gone;
        FOR _each IN SELECT c.topic AS id, count(m.position) AS held FROM claim c
            LEFT JOIN message m ON m.topic = c.topic AND m.priority = c.priority
                AND m.position BETWEEN c.first AND c.last
            WHERE c.broker = _gone GROUP BY c.topic ORDER BY c.topic LOOP
            UPDATE claim SET broker = NULL WHERE broker = _gone AND topic = _each.id;
            IF EXISTS (SELECT FROM topic WHERE id = _each.id) THEN
                PERFORM count_up(_each.id, -1, 0, 0, -_each.held);
                PERFORM wake(_each.id);
            END IF;
            _total := _total + _each.held;
        END LOOP;
        INSERT INTO garbage SELECT id FROM topic WHERE name LIKE '/' || _gone || '/%';
        DELETE FROM topic WHERE name LIKE '/' || _gone || '/%';
    END LOOP;
    RETURN _total;
END $$;

CREATE FUNCTION register(_host text, _lines int, _lease interval) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _id bigint;
BEGIN
    INSERT INTO broker (host, expires_at) VALUES (_host, now() + _lease) RETURNING id INTO _id;
    INSERT INTO line (broker, number) SELECT _id, n FROM generate_series(0, _lines - 1) n;
    RETURN _id;
END $$;
