#!/usr/bin/python3
"""
A hostile session, and what it may not see: canary.py [options] CONNSTR

Makes two tenants (world.sql) in the database of CONNSTR, a superuser's, and runs statements in a session of one role:

  calls   of every function of recall, with arguments of their types: own ids, another tenant's, none, extreme values,
          hostile texts; views under all kinds of conditions; some under EXPLAIN, some with the planner's own output
  smith   what sqlsmith makes up
  all     a reading of every relation of pg_catalog and information_schema, the statistics among them

Whatever comes back, rows, errors with all their parts, notices, plans, is searched for what is the other tenant's. So is
the server's log, by whoever calls this. A finding is also a crash, an internal error (XX...), a change in the other tenant's
rows, and a row of the session's own tenant that breaks a promise. Of a session of the owner only crashes and internal
errors are findings: everything is its own.
"""

import argparse
import collections
import os
import random
import re
import subprocess
import sys

import psycopg2
import psycopg2.extensions

HERE = os.path.dirname(os.path.abspath(__file__))
ROLES = ['acme_all', 'acme_read', 'acme_manage', 'acme_recycle', 'acme_dial', 'nobody', 'owner', 'scheduler']
# A number has up to 15 digits; what is longer is the number of a query, and may have any digits in it.
CANARY = re.compile(r'kanari|(?<!\d)(?:00)?99887\d{3,10}(?!\d)')

EXTREME_INTEGERS = ['0', '-1', '2147483647', '-2147483648', '1000000', 'NULL']
EXTREME_BIGINTS = EXTREME_INTEGERS + ['9223372036854775807', '-9223372036854775808', '4294967297']
TEXTS = ["''", "' '", "'own_callback'", "'own_sold'", "'x'", "'%s%n%s'", "E'\\n\\t\\\\'", "''';--'", "'\"'", "repeat('a', 201)", "repeat('é', 5000)",
	"'busy'", "'sip'", "'486'", "'UTC'", "'Europe/Berlin'", "'NULL'", "'Nowhere'", "U&'\\FFFD\\D83D\\DE00'", "'task'", "'draft'", "'http'", "'http:'", "'+4930'", 'NULL']
NUMBERS = ["'+49301%d'", "'49301%d'", "'+49301%d '", "'+%d'"]
POLICIES = ["'busy'", "'failed after 10 min, 1 h max 3; limit 5'", "'result own_callback after 1 day; limit 3 per 24 h per number'", "'unknown after 1 min; limit 9'",
	"'quiet 7 days after answered per number; limit 2 per day'", "'class network never; failed'", "'bussy'", "'result no_such'", "''", "'limit 0'", "repeat('busy;', 3000)", 'NULL']
HOURS = ["'24/7'", "'Mo-Fr 09:00-20:00; PH off'", "'off'", "'Dec 25 off; 22:00-04:00'", "'Feb 29 00:00-24:00'", "'25:00'", "''", 'NULL']
INSTANTS = ['now()', "now() - interval '1 day'", "now() + interval '1 year'", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'294276-12-31'", "'1970-01-01'",
	"'2026-03-29 01:30+00'", 'NULL']
INTERVALS = ["'5 min'", "'1 s'", "'0'", "'-1 s'", "'1 day'", "'1 day 1 s'", "'178000000 years'", "'-2562047788 h'", "'1 month'", 'NULL']
JSONS = ["'{}'", "'{\"rules\": [{\"causes\": [\"busy\"], \"after\": [\"10 min\"]}]}'", "'{\"rules\": {}}'", "'[]'", "'null'", "'{\"limits\": [{\"calls\": 3, \"per\": \"day\"}]}'",
	"('[' || repeat('[', 3000) || repeat(']', 3000) || ']')", "'{\"rules\": [{\"results\": [\"a b\"]}]}'", "'{\"rules\": [{\"failed\": true, \"max\": 1e400}]}'", 'NULL']
RELATIONS = ["'smith.people'", "'smith.bad_people'", "'smith.calls'", "'smith.bad_calls'", "'smith.views'", "'smith.hidden'", "'smith.hidden_index'", "'recall.contact'", "'recall.call'",
	"'recall.tenant_tenant_id_seq'", "'recall.dial_queue'", "'recall.completed_call'", "'recall.judgement'", "'pg_catalog.pg_authid'", "'pg_catalog.pg_statistic'", '0', '4294967295', 'NULL']


def pick(chance, *weighted):
	"""One of (weight, value) pairs."""
	return chance.choices([value for _, value in weighted], [weight for weight, _ in weighted])[0]


class Generator:
	"""Makes up statements, from the catalog and a seed."""

	def __init__(self, connection, seed):
		self.chance = random.Random(seed)
		cursor = connection.cursor()
		cursor.execute('''
			SELECT p.proname, p.prokind, p.proretset, coalesce(p.proargnames, '{}'), ARRAY(SELECT t::regtype::text FROM unnest(p.proargtypes) t), p.pronargdefaults,
				p.proname ~ '^_'
			FROM pg_proc p
			WHERE p.pronamespace = 'recall'::regnamespace AND p.prokind IN ('f', 'p', 'a') AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
			AND NOT p.proargtypes::oid[] && ARRAY['internal'::regtype::oid]
			ORDER BY p.oid::regprocedure::text COLLATE "C"''')
		self.functions = cursor.fetchall()
		cursor.execute('''
			SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum), array_agg(a.atttypid::regtype::text ORDER BY a.attnum)
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
			WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'v' GROUP BY c.relname ORDER BY c.relname''')
		self.views = cursor.fetchall()
		cursor.execute("SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'S') ORDER BY c.relname")
		self.tables = [name for name, in cursor.fetchall()]
		cursor.execute("SELECT t.oid::regtype::text, array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid GROUP BY t.oid")
		self.enums = dict(cursor.fetchall())

	def value(self, kind, name=''):
		"""A value of a type, as SQL."""
		chance = self.chance
		if kind.endswith('[]'):
			if chance.random() < 0.1:
				return 'NULL::' + kind
			members = [self.value(kind[:-2], name.rstrip('s')) for _ in range(pick(chance, (2, 0), (6, 1), (3, 2), (1, 70)))]
			if chance.random() < 0.05 and members:
				return 'ARRAY[[%s], [%s]]::%s' % (members[0], members[-1], kind)
			return 'ARRAY[%s]::%s' % (', '.join(members), kind)
		if name in ('tenant_id', 'after_tenant', 'tenant'):
			return pick(chance, (85, '1'), (10, '2'), (5, chance.choice(EXTREME_INTEGERS))) + '::' + kind
		if kind in ('integer', 'smallint'):
			return pick(chance, (6, str(chance.randint(1, 9))), (2, chance.choice(EXTREME_INTEGERS))) + '::int'
		if kind == 'bigint':
			return pick(chance, (4, str(chance.randint(1, 7))), (4, str(chance.randint(1, 260))), (1, chance.choice(EXTREME_BIGINTS))) + '::bigint'
		if kind in ('text', 'name') and name in ('number', 'first_number'):
			return pick(chance, (6, NUMBERS[0] % (1000000 + chance.randint(1, 200))), (1, chance.choice(NUMBERS) % (1000000 + chance.randint(1, 2000))), (1, chance.choice(TEXTS))) + '::' + kind
		if kind in self.enums:
			return ("'%s'" % chance.choice(self.enums[kind]) if chance.random() < 0.85 else 'NULL') + '::' + kind
		pools = {
			'text': TEXTS, 'name': TEXTS, 'cstring': TEXTS, 'jsonb': JSONS, 'interval': INTERVALS, 'timestamp with time zone': INSTANTS, 'regclass': RELATIONS,
			'recall.policy': POLICIES, 'recall.calling_hours': HOURS, 'boolean': ['true', 'false', 'NULL'], 'date': ["'2026-12-25'", "'infinity'", "'0001-01-01 BC'", 'NULL'],
			'regrole': ["'acme_all'", "'bell_all'", '0', '10', '4294967295', 'NULL'], 'bytea': ["'\\x01'", "'\\x'", "'\\xff00ff'"], 'oid': ['0', '1', 'NULL'],
			'anyenum': ["'draft'::recall.task_state", "'busy'::recall.failure_cause"]}
		if kind == 'recall.history':
			return '(SELECT recall.history(%s, %s, %s, %s, %s, %s))' % tuple(self.value(k, n) for k, n in (
				('integer', ''), ('text', 'number'), ('recall.failure_cause', ''), ('text', ''), ('timestamp with time zone', ''), ('timestamp with time zone', '')))
		if kind in pools:
			return chance.choice(pools[kind]) + ('' if kind == 'anyenum' else '::' + kind)
		return 'NULL::' + kind

	def call(self):
		chance = self.chance
		name, kind, is_set, names, types, defaults, is_internal = chance.choice(self.functions)
		# What ends a task or a batch for good would leave nothing to do for the rest.
		while is_internal and chance.random() < 0.7 or name in ('complete_task', 'finish_batch') and chance.random() < 0.95:
			name, kind, is_set, names, types, defaults, is_internal = chance.choice(self.functions)
		given = len(types) - chance.randint(0, defaults)
		arguments = ', '.join(self.value(types[i], names[i] if i < len(names) else '') for i in range(given))
		if kind == 'p':
			return 'CALL recall.%s(%s)' % (name, arguments)
		return '%s recall.%s(%s)%s' % (chance.choice(['SELECT * FROM', 'SELECT * FROM', 'SELECT']), name, arguments, ' LIMIT 50' if is_set else '')

	def query(self):
		"""A question to a view, or what is not allowed to a table."""
		chance = self.chance
		if chance.random() < 0.1:
			table = chance.choice(self.tables)
			return chance.choice(['SELECT * FROM recall.%s', 'DELETE FROM recall.%s', 'UPDATE recall.%s SET tenant_id = 1', 'INSERT INTO recall.%s SELECT', 'TRUNCATE recall.%s',
				'LOCK recall.%s', 'COPY recall.%s TO STDOUT', 'ANALYZE recall.%s', "SELECT nextval('recall.%s')", "SELECT last_value FROM recall.%s",
				"SELECT pg_catalog.currtid2('recall.%s', '(0,1)')", "SELECT pg_catalog.table_to_xml('recall.%s', true, true, '')", 'CREATE TABLE smith.child () INHERITS (recall.%s)',
				'CREATE TEMP TABLE likeness (LIKE recall.%s INCLUDING ALL)', 'CREATE STATISTICS smith.extra ON tenant_id, ctid FROM recall.%s']) % table
		name, columns, types = chance.choice(self.views)
		i = chance.randrange(len(columns))
		condition = chance.choice([
			'x.%s IS NOT NULL', 'x.%s = %s', 'x.%s::text < %s', 'x.%s::text ~ %s', 'NOT x.%s::text LIKE %s', '1 / (length(x.%s::text) - 9) > 0', 'x.tenant_id = 2 OR x.%s IS NULL',
			'pg_catalog.set_config(%s, x.%s::text, false) IS NOT NULL'])
		if condition.startswith('pg_catalog'):
			condition = condition % ("'smith.seen'", columns[i])
		elif condition.count('%s') == 2:
			condition = condition % (columns[i], self.value(types[i]) if '=' in condition else self.value('text'))
		else:
			condition = condition % columns[i]
		select = chance.choice(['*', 'count(*)', 'x::text', 'max(x.%s::text)' % columns[i], 'x.%s, count(*)' % columns[i]])
		return 'SELECT %s FROM recall.%s x WHERE %s%s' % (select, name, condition, ' GROUP BY 1' if ', count' in select else ' LIMIT 100')

	def statement(self):
		chance = self.chance
		text = pick(chance, (4, self.call), (1, self.query))()
		if text.startswith('SELECT') and chance.random() < 0.08:
			text = 'EXPLAIN (ANALYZE, VERBOSE, BUFFERS, FORMAT %s) %s' % (chance.choice(['TEXT', 'JSON']), text)
		if chance.random() < 0.01:
			text = "SET client_min_messages = log; SET %s = on; %s" % (chance.choice(['debug_print_plan', 'debug_print_parse', 'debug_print_rewritten']), text)
		return text


class Session:
	"""Runs statements as a role, and searches whatever comes back."""

	def __init__(self, connstr, role, tokens):
		self.connstr = '%s user=%s' % (connstr, role)
		self.is_tenant = role != 'owner'
		self.tokens = tokens
		self.states = collections.Counter()
		self.findings = []
		self.statements = 0
		self.connection = None

	def connect(self):
		self.connection = psycopg2.connect(self.connstr, application_name='hostile')
		self.connection.autocommit = True
		# What is searched is the text that the server sends.
		for oid in (16, 17, 20, 21, 23, 25, 26, 114, 199, 700, 701, 1082, 1114, 1184, 1186, 1700, 2950, 3802, 3807, 1005, 1007, 1009, 1015, 1016, 1115, 1182, 1185, 1187, 1231):
			psycopg2.extensions.register_type(psycopg2.extensions.new_type((oid,), 'plain', lambda value, cursor: value), self.connection)
		with self.connection.cursor() as cursor:
			cursor.execute("SET statement_timeout = '3s'; SET lock_timeout = '1s'; SET search_path = pg_catalog, pg_temp; SET idle_in_transaction_session_timeout = 0")

	def search(self, text, statement):
		if not self.is_tenant:
			return
		found = CANARY.search(text)
		# A text of the statement's own is no news: only numbers could be guessed, and none of the statements does.
		if found or any(token in self.tokens for token in re.findall(r'\d{15,}', text)):
			start = max(0, found.start() - 80) if found else 0
			self.findings.append(('canary', text[start:start + 300], statement))

	def run(self, statement):
		if self.connection is None or self.connection.closed:
			self.connect()
		self.statements += 1
		state = '00000'
		try:
			with self.connection.cursor() as cursor:
				cursor.execute(statement)
				if cursor.description:
					self.search(' '.join(column.name for column in cursor.description), statement)
					for row in cursor:
						self.search(' '.join(str(value) for value in row if value is not None), statement)
		except psycopg2.Error as error:
			state = error.pgcode or '?????'
			diagnostics = error.diag
			self.search(' '.join(str(part) for part in [error.pgerror] + [getattr(diagnostics, name) for name in dir(diagnostics) if not name.startswith('_')] if part), statement)
			if state.startswith('XX') or state == '?????' and self.is_tenant or self.connection.closed and state not in ('57P01', '57P05', '25P03'):
				self.findings.append((state, str(error), statement))
		except (UnicodeDecodeError, ValueError) as error:
			state = type(error).__name__
		for notice in self.connection.notices:
			self.search(notice, statement)
		del self.connection.notices[:]
		self.states[state] += 1
		if self.connection.closed:
			self.connection = None
		elif self.connection.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
			self.run_quietly('ROLLBACK')
		elif statement.startswith('SET '):
			self.run_quietly('RESET client_min_messages; RESET debug_print_plan; RESET debug_print_parse; RESET debug_print_rewritten')

	def run_quietly(self, statement):
		with self.connection.cursor() as cursor:
			cursor.execute(statement)
		del self.connection.notices[:]


def make_world(connstr):
	"""Make the roles and the tenants, owned by a role that is no superuser any more; return Bell's tokens."""
	with open(os.path.join(HERE, 'world.sql'), encoding='utf-8') as file:
		script = file.read()
	superuser = psycopg2.connect(connstr)
	superuser.autocommit = True
	cursor = superuser.cursor()
	for role in ROLES + ['bell_all']:
		cursor.execute('CREATE ROLE %s LOGIN %s' % (role, 'SUPERUSER' if role == 'owner' else ''))
	cursor.execute('CREATE EXTENSION IF NOT EXISTS pg_stat_statements' if has_statements(cursor) else 'SELECT')
	subprocess.run(['psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', '%s user=owner' % connstr, '-f', '-'], input=script, text=True, check=True, stdout=subprocess.DEVNULL)
	cursor.execute('ALTER ROLE owner NOSUPERUSER')
	cursor.execute('GRANT CREATE ON SCHEMA public TO PUBLIC')
	for table in ('contact', 'call', 'dial', 'event', 'suppression', 'task', 'batch', 'recycle', 'business_result', 'tenant', 'member'):
		cursor.execute('ALTER TABLE recall.%s ALTER tenant_id SET STATISTICS 1000' % table)
	cursor.execute('ANALYZE')
	cursor.execute("SELECT token::text FROM recall.dial WHERE tenant_id = 2 AND token IS NOT NULL")
	return superuser, {token for token, in cursor.fetchall()}


def has_statements(cursor):
	cursor.execute("SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'")
	return cursor.fetchone()[0]


def start_neighbour(connstr):
	"""A session of Bell's in the middle of something, to be looked at from outside."""
	neighbour = psycopg2.connect('%s user=bell_all' % connstr, application_name='bell')
	with neighbour.cursor() as cursor:
		cursor.execute("PREPARE kanari_prepared AS SELECT 'kanari'::text")
		cursor.execute("DECLARE kanari_cursor CURSOR FOR SELECT * FROM recall.completed_call WHERE agent ~ 'kanari'")
		cursor.execute("SELECT count(*) FROM recall.permit WHERE number = '+998871000001' OR dialer = 'kanari_dialer'")
	return neighbour


BELL = '''SELECT md5(string_agg(row, E'\\n' ORDER BY row)) FROM (%s) all_rows (row)'''


def rows_of_bell(cursor):
	"""A print of all rows of Bell's."""
	cursor.execute('''SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'r'
		ORDER BY 1''')
	cursor.execute(BELL % ' UNION ALL '.join("SELECT '%s ' || x::text FROM recall.%s x WHERE x.tenant_id = 2" % (table, table) for table, in cursor.fetchall()))
	return cursor.fetchone()[0]


# What must hold of Acme's rows, whatever was tried.
PROMISES = {
	'a call is to a number of its contact': 'SELECT k FROM recall.call k JOIN recall.contact c USING (tenant_id, contact_id) WHERE k.number <> ALL (c.numbers)',
	'a permit is for a number of its contact': 'SELECT d FROM recall.dial d JOIN recall.contact c USING (tenant_id, contact_id) WHERE d.number <> ALL (c.numbers)',
	'a permit is of the batch and the task of its contact': '''SELECT d FROM recall.dial d LEFT JOIN recall.contact c USING (tenant_id, contact_id)
		LEFT JOIN recall.batch b ON b.tenant_id = d.tenant_id AND b.batch_id = c.batch_id WHERE (d.batch_id, d.task_id) IS DISTINCT FROM (c.batch_id, b.task_id)''',
	'a batch that is finished has no ready permit': "SELECT d FROM recall.dial d JOIN recall.batch b USING (tenant_id, batch_id) WHERE b.state = 'finished' AND d.state = 'ready'",
	'attempts are counted from 1': 'SELECT contact_id FROM recall.call GROUP BY tenant_id, contact_id HAVING max(attempt) <> count(*)',
	'a permit is for the next attempt': '''SELECT d FROM recall.dial d WHERE d.attempt <> 1 + (SELECT count(*) FROM recall.call k WHERE k.tenant_id = d.tenant_id AND k.contact_id = d.contact_id)''',
	'a result is one of the tenant\'s': 'SELECT k FROM recall.call k WHERE business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b WHERE b.tenant_id = k.tenant_id AND b.code = k.business_result)',
	'what a record made is dialled, withdrawn or pending': '''SELECT r.recycle_id FROM recall.recycle_record r WHERE r.pending <> (SELECT count(*) FROM recall.dial d WHERE d.tenant_id = r.tenant_id AND d.recycle_id = r.recycle_id)''',
}


def read_catalogs(session, cursor):
	"""Read every relation of the catalogs whole, also by means of functions that do it for a query."""
	cursor.execute("""
		SELECT c.oid::regclass::text FROM pg_class c
		WHERE (c.relnamespace = 'pg_catalog'::regnamespace OR c.oid::regclass::text ~ '\\.(columns|tables|views|view_definition|sequences|domains|attributes|sql_.*)$'
			AND c.relnamespace = 'information_schema'::regnamespace) AND c.relkind IN ('r', 'v') ORDER BY 1""")
	for name, in cursor.fetchall():
		session.run('SELECT x::text FROM %s x' % name)
	if has_statements(cursor):
		session.run('SELECT x::text FROM public.pg_stat_statements x')


def smith_statements(connstr, role, seed, count):
	"""What sqlsmith makes up for a role, whose functions are nearly all recall's."""
	if count == 0:
		return
	options = ["--target=%s user=%s options='-c search_path=smith,pg_catalog'" % (connstr, role), '--seed=%d' % seed, '--max-queries=%d' % count, '--exclude-catalog', '--dry-run']
	with subprocess.Popen(['sqlsmith'] + options, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors='replace') as smith:
		lines = []
		for line in smith.stdout:
			lines.append(line)
			if line.rstrip().endswith(';'):
				yield ''.join(lines).rstrip().rstrip(';')
				lines = []


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument('connstr')
	parser.add_argument('--roles', default=','.join(ROLES[:-1]), help='whose sessions')
	parser.add_argument('--calls', type=int, default=1500, help='calls and queries of our own, in all')
	parser.add_argument('--smith', type=int, default=0, help='statements of sqlsmith, in all')
	parser.add_argument('--seed', type=int, default=1)
	parser.add_argument('--plant', action='store_true', help='let something leak, to show that it is found')
	arguments = parser.parse_args()
	superuser, tokens = make_world(arguments.connstr)
	cursor = superuser.cursor()
	if arguments.plant:
		cursor.execute('GRANT SELECT ON recall.suppression TO PUBLIC')
	neighbour = start_neighbour(arguments.connstr)
	before = rows_of_bell(cursor)
	generator = Generator(superuser, arguments.seed)
	roles = arguments.roles.split(',')
	findings = []

	for place, role in enumerate(roles):
		session = Session(arguments.connstr, role, tokens)
		if session.is_tenant:
			read_catalogs(session, cursor)
		for _ in range(arguments.calls // len(roles)):
			session.run(generator.statement())
		for statement in smith_statements(arguments.connstr, role, arguments.seed + place, arguments.smith // len(roles)):
			session.run(statement)
		if session.is_tenant and role != 'scheduler':
			after = rows_of_bell(cursor)
			if after != before:
				session.findings.append(('change', 'rows of the other tenant have changed', role))
			before = after
		if session.is_tenant:
			for promise, query in PROMISES.items():
				cursor.execute(query)
				for row in cursor.fetchmany(3):
					session.findings.append(('promise', promise, str(row)))
		print('%s: %d statements: %s' % (role, session.statements, ', '.join('%s %d' % pair for pair in session.states.most_common())))
		findings += [(role,) + finding for finding in session.findings]
	for role, kind, what, statement in findings[:40]:
		print('FINDING %s, %s: %s\n    %s' % (role, kind, what, statement[:3000]))
	print('%d findings, seed %d' % (len(findings), arguments.seed))
	neighbour.close()
	sys.exit(1 if findings else 0)


if __name__ == '__main__':
	main()
