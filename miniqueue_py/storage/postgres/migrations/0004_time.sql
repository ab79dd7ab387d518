-- What time does, and what operators do.

CREATE FUNCTION release(_now_ms bigint, _limit bigint, _slot int)
RETURNS TABLE (_restored bigint, _expired bigint, _has_more boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE
    _state state; _d delayed; _m message; _place bigint; _forgotten bigint; _count bigint;
BEGIN
    _restored := 0; _expired := 0; _has_more := false;
    SELECT * INTO _state FROM state FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;  -- another broker is at it
    -- One that stopped at its limit goes on: what it moved stands in due order as by one call.
    IF NOT _state.is_releasing THEN _state.release := _state.release + 1; END IF;
    FOR _d IN SELECT * FROM delayed WHERE due_ms <= _now_ms
        ORDER BY due_ms, topic, position LIMIT _limit LOOP
        DELETE FROM delayed WHERE due_ms = _d.due_ms AND topic = _d.topic
            AND position = _d.position;
        UPDATE topic SET
            front = CASE WHEN released = _state.release THEN front ELSE front - 16777216 END,
            front_next = 1 + CASE WHEN released = _state.release THEN front_next
                ELSE front - 16777216 END,
            released = _state.release
        WHERE id = _d.topic AND (_d.expires_ms > _now_ms) IS NOT FALSE
        RETURNING front_next - 1 INTO _place;
        IF FOUND THEN
            INSERT INTO message VALUES (_d.topic, _d.priority, _place, _d.body, _d.published_ms,
                _d.id_topic, _d.id_sequence, _d.expires_ms, _d.attempts, _d.dacks, _d.origin);
            UPDATE claim SET last = _place WHERE topic = _d.topic AND priority = _d.priority
                AND last = _place - 1 AND broker IS NULL AND first >= _place - 10000
                AND first <= _place;
            IF NOT FOUND THEN
                INSERT INTO claim VALUES (_d.topic, _d.priority, _place, _place);
            END IF;
            PERFORM count_up(_d.topic, _slot, 0, 0, 0, -1);
            PERFORM wake(_d.topic);
            _restored := _restored + 1;
        ELSIF EXISTS (SELECT FROM topic WHERE id = _d.topic) THEN
            PERFORM count_up(_d.topic, _slot, -1, -length(_d.body), 0, -1, 0, 0, 0, 1);
            _expired := _expired + 1;
        END IF;
    END LOOP;
    FOR _m IN SELECT m.* FROM message m WHERE m.expires_ms <= _now_ms
        AND EXISTS (SELECT FROM topic WHERE id = m.topic)
        AND NOT EXISTS (SELECT FROM claim c WHERE c.topic = m.topic AND c.priority = m.priority
            AND c.first <= m.position AND c.last >= m.position AND c.broker IS NOT NULL)
        ORDER BY m.expires_ms, m.topic, m.priority DESC, m.position
        LIMIT _limit - _restored - _expired LOOP
        PERFORM FROM lane WHERE topic = _m.topic AND priority = _m.priority FOR UPDATE;
        -- Looked at again, now that nobody can claim it.
        DELETE FROM message m WHERE m.topic = _m.topic AND m.priority = _m.priority
            AND m.position = _m.position AND NOT EXISTS (SELECT FROM claim c
                WHERE c.topic = m.topic AND c.priority = m.priority AND c.first <= m.position
                AND c.last >= m.position AND c.broker IS NOT NULL);
        IF FOUND THEN
            PERFORM count_up(_m.topic, _slot, -1, -length(_m.body), 0, 0, 0, 0, 0, 1);
            _expired := _expired + 1;
        END IF;
    END LOOP;
    _forgotten := 0;
    DELETE FROM key WHERE (topic, key) IN (SELECT k.topic, k.key FROM key k
        WHERE k.until_ms <= _now_ms LIMIT _limit - _restored - _expired);
    GET DIAGNOSTICS _count = ROW_COUNT;
    _forgotten := _count;
    DELETE FROM batch WHERE (topic, key) IN (SELECT b.topic, b.key FROM batch b
        WHERE b.until_ms <= _now_ms LIMIT _limit - _restored - _expired - _forgotten);
    GET DIAGNOSTICS _count = ROW_COUNT;
    _has_more := _restored + _expired + _forgotten + _count >= _limit;
    UPDATE state SET release = _state.release, is_releasing = _has_more
    WHERE (release, is_releasing) IS DISTINCT FROM (_state.release, _has_more)
        AND (_restored > 0 OR is_releasing);
    RETURN NEXT;
END $$;

-- Remove some of what topics had that are gone.
CREATE FUNCTION sweep(_limit int) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE _gone bigint; _count bigint; _total bigint := 0; _table text;
BEGIN
    SELECT topic INTO _gone FROM garbage ORDER BY topic LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN RETURN 0; END IF;
    FOREACH _table IN ARRAY ARRAY['message', 'delayed', 'claim', 'key', 'batch'] LOOP
        EXECUTE format('DELETE FROM %1$I WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$I '
            'WHERE topic = $1 LIMIT $2))', _table) USING _gone, _limit;
        GET DIAGNOSTICS _count = ROW_COUNT;
        _total := _total + _count;
    END LOOP;
    IF _total = 0 THEN
        DELETE FROM lane WHERE topic = _gone;
        DELETE FROM tally WHERE topic = _gone;
        DELETE FROM garbage WHERE topic = _gone;
        RETURN 1;
    END IF;
    RETURN _total;
END $$;

CREATE FUNCTION policies_changed() RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$
    UPDATE state SET policies = policies + 1;
    SELECT pg_notify('miniqueue', 'p');
$$;

CREATE FUNCTION set_policy(_name text, _policy text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _id bigint;
BEGIN
    SELECT e._topic INTO _id FROM enter(_name, 0) e;
    UPDATE topic SET policy = _policy WHERE id = _id;
    PERFORM policies_changed();
END $$;

CREATE FUNCTION purge(_name text) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _gone topic;
BEGIN
    DELETE FROM topic WHERE name = _name RETURNING * INTO _gone;
    IF NOT FOUND THEN RETURN NULL; END IF;
    INSERT INTO garbage VALUES (_gone.id);
    IF _gone.policy IS NOT NULL THEN PERFORM policies_changed(); END IF;
    PERFORM pg_notify('miniqueue', 'g' || _gone.id);
    RETURN _gone.id;
END $$;

CREATE FUNCTION replace_topic(_name text, _source text, OUT _gone bigint, OUT _new bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE _policy text;
BEGIN
    SELECT e._topic INTO _new FROM enter(_source, 0) e;
    SELECT policy INTO _policy FROM topic WHERE name = _name;
    _gone := purge(_name);
    UPDATE topic SET name = _name, policy = _policy WHERE id = _new;
    PERFORM policies_changed();
    PERFORM wake(_new);
END $$;
