-- Above READ COMMITTED a transaction would not see what was committed while it waited for a lock.
SELECT recall.create_tenant('Acme') AS acme \gset
SELECT recall.create_task(:acme, 'Winter', 'predicted', 'busy'), recall.create_batch(:acme, 1, 'First'), recall.add_contact(:acme, 1, '{+49301234567}');
SELECT recall.start_task(:acme, 1), recall.start_batch(:acme, 1);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT recall.record_call(:acme, 1, 'busy', NULL);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT recall.add_contact(:acme, 1, '{+49301234568}');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT recall.recycle(:acme, 1);
ROLLBACK;
SELECT count(*) AS calls, (SELECT count(*) FROM recall.contact WHERE tenant_id = :acme) AS contacts FROM recall.call WHERE tenant_id = :acme;
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT recall.record_call(:acme, 1, 'busy', NULL);
COMMIT;
