-- drawn.sql
--		Creates pg_temp.drawn(text): a number from 0 to 1 that looks random and depends on the text alone.

CREATE FUNCTION pg_temp.drawn(text) RETURNS float IMMUTABLE LANGUAGE sql
RETURN (('x' || left(md5($1), 8))::bit(32)::bigint) / 4294967296.0;
