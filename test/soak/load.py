"""
Clients that dial, and whatever else is done meanwhile. Each notes what it asked for before it asks, and the answer.

An answer is one of
	ok		the server said that it is done
	error	the server said that it failed: then nothing of it may be there
	doubt	no answer came; it is done or it is not
"""
import datetime
import itertools
import random
import threading
import time

import psycopg2

LEASES = ['1 s', '2 s', '3 s']
LONGEST_LEASE = 3  # seconds
CAUSES = ['busy', 'busy', 'no_answer', None, 'congestion', 'unallocated', 'rejected']
TENANTS = 2
BATCHES = 3
# Batch 1 recalls by itself, and has a rule for unknown outcomes; the others wait for somebody to press, and to settle.
SETUP = """
	CREATE EXTENSION recall;
	CREATE EXTENSION amcheck;
	SELECT recall.create_tenant('tenant ' || t, recycle_limit => 30) FROM generate_series(1, 2) t;
	SELECT recall.create_business_result(t, 'later', 'Call later') FROM generate_series(1, 2) t;
	SELECT recall.create_task(t, 'automatic', 'predicted', 'unknown after 1 s max 2; failed after 1 s max 3 next number; limit 6', auto_recall => true),
		recall.create_task(t, 'pressed', 'preview', 'busy, no_answer; congestion next number; result later; limit 5')
	FROM generate_series(1, 2) t;
	SELECT recall.create_batch(t, least(b, 2), 'batch') FROM generate_series(1, 2) t, generate_series(1, 3) b;
	SELECT recall.start_task(t, k) FROM generate_series(1, 2) t, generate_series(1, 2) k;
	SELECT recall.start_batch(t, b) FROM generate_series(1, 2) t, generate_series(1, 3) b;
	CREATE TABLE people AS
	SELECT ARRAY['+4930' || 1000000 + i / 2, '+4930' || 2000000 + i] AS numbers, 'first' AS reference FROM generate_series(1, 60) i;
	SELECT recall.add_contacts(t, b, 'people') FROM generate_series(1, 2) t, generate_series(1, 3) b;
	DROP TABLE people;
"""
# What a server in distress may say; each is an answer: nothing was done.
EXPECTED = {
	'55000': 'refused',
	'57014': 'cancelled',
	'53100': 'disk full', '53200': 'out of memory', '53400': 'limit', '58030': 'input and output', '54000': 'limit',
	# Without memory for noting an error, PostgreSQL leaves the session in a failed transaction, and nothing of it is done.
	'25P02': 'rolled back',
}
# And what it says in words only.
EXPECTED_WORDS = ['File too large', 'could not load library']


def is_lost(error):
	"""Whether an error ends the connection, so that nothing is known of the last statement."""
	return error.pgcode is None or error.pgcode[:4] == '57P0' or error.pgcode[:2] == '08'


class Load:
	"""All clients, and their notes since the database was made."""

	def __init__(self, server, database, clients, seed):
		self.server, self.database = server, database
		self.noted, self.codes = [], itertools.count(1)
		self.statement_timeout = 0
		self.running, self.over = threading.Event(), threading.Event()
		self.unexpected = []
		self.recycles = {tenant: 0 for tenant in range(1, TENANTS + 1)}
		server.ask('postgres', f'CREATE DATABASE {database}')
		server.ask(database, SETUP)
		self.contacts = {tenant: 60 * BATCHES for tenant in range(1, TENANTS + 1)}
		self.clients = [Dialer(self, f'{seed} {number}', number) for number in range(clients)] + [Worker(self, f'{seed} worker', clients)]
		for client in self.clients:
			client.start()

	def go_on(self):
		self.running.set()

	def pause(self):
		"""Let each client come to the end of what it is at."""
		self.running.clear()
		limit = time.time() + 90
		while any(client.is_busy for client in self.clients):
			if time.time() > limit:
				raise RuntimeError('a client does not come to an end')
			time.sleep(0.005)

	def record_last(self):
		"""Pause, and record a call: the last thing that the server acknowledges."""
		self.pause()
		client = self.clients[0]
		if client.connection or client.connect():
			client.record_call(1)

	def end(self):
		self.over.set()
		self.running.set()
		for client in self.clients:
			client.join()


class Client(threading.Thread):
	def __init__(self, load, seed, number):
		super().__init__(daemon=True)
		self.load, self.number, self.choose = load, number, random.Random(seed)
		self.connection, self.pid, self.timeout, self.is_busy = None, None, 0, False

	def run(self):
		while not self.load.over.is_set():
			if not self.load.running.is_set():
				self.is_busy = False
				self.load.running.wait()
				continue
			self.is_busy = True
			if not self.load.running.is_set():
				continue
			if self.connection or self.connect():
				self.act()
		self.is_busy = False
		self.disconnect()

	def connect(self):
		try:
			self.connection, self.timeout = self.load.server.connect(self.load.database), 0
			self.pid = self.connection.get_backend_pid()
			return True
		except psycopg2.Error:
			time.sleep(0.02)
			return False

	def disconnect(self):
		if self.connection:
			self.connection.close()
		self.connection = self.pid = None

	def do(self, kind, statement, values=(), **what):
		"""Ask for something, and note it with its answer."""
		what.update(kind=kind, client=self.number, began=datetime.datetime.now(datetime.timezone.utc), answer='doubt', rows=[])
		self.load.noted.append(what)
		try:
			with self.connection.cursor() as cursor:
				if self.timeout != self.load.statement_timeout:
					self.timeout = self.load.statement_timeout
					cursor.execute(f'SET statement_timeout = {self.timeout}')
				cursor.execute(statement, values)
				what['rows'] = cursor.fetchall() if cursor.description else []
			what['answer'] = 'ok'
		except psycopg2.Error as error:
			what['sqlstate'], what['error'] = error.pgcode, f'{error.pgcode} {str(error).strip()}'
			if is_lost(error) or self.connection.closed:
				self.disconnect()
			else:
				what['answer'] = 'error'
				if error.pgcode == '25P02':
					self.disconnect()
				if error.pgcode not in EXPECTED and not any(words in what['error'] for words in EXPECTED_WORDS):
					self.load.unexpected.append(f"{kind}: {what['error']}")
		what['ended'] = datetime.datetime.now(datetime.timezone.utc)
		return what

	def call(self, function, *values, **what):
		return self.do(function, f"SELECT recall.{function}({', '.join(['%s'] * len(values))})", values, **what)


class Worker(Client):
	"""What cron does: calls the processor."""

	def act(self):
		self.do('process', 'CALL recall.process()')
		time.sleep(self.choose.random() * 0.2)


class Dialer(Client):
	def __init__(self, *arguments):
		super().__init__(*arguments)
		self.claims = []  # what it has in its hands: notes of the tokens that it was given

	def act(self):
		tenant = self.choose.randint(1, TENANTS)
		action, = self.choose.choices(list(ACTIONS), ACTIONS.values())
		action(self, tenant)

	def outcome(self):
		"""How a call ended, with a code that no other has."""
		at = datetime.datetime.now(datetime.timezone.utc)
		return [self.choose.choice(CAUSES), self.choose.choice([None, None, 'later']), at, at, f'call {next(self.load.codes)}']

	def claim(self, tenant):
		wanted = self.choose.randint(1, 5)
		what = self.do('claim', 'SELECT contact_id, token FROM recall.claim(%s, %s, %s, %s)',
			[tenant, self.choose.randint(1, 2), wanted, self.choose.choice(LEASES)], tenant=tenant, wanted=wanted)
		self.claims += [dict(tenant=tenant, contact=contact, token=token) for contact, token in what['rows']]

	def report(self, tenant):
		if not self.claims:
			return self.claim(tenant)
		claim = self.claims.pop(self.choose.randrange(len(self.claims)))
		outcome = self.outcome()
		return self.call('report', claim['tenant'], claim['contact'], claim['token'], *outcome, **claim, outcome=outcome, code=outcome[-1])

	def report_many(self, tenant):
		claims = [claim for claim in self.claims if claim['tenant'] == tenant][:self.choose.randint(2, 6)]
		if len(claims) < 2:
			return self.claim(tenant)
		self.claims = [claim for claim in self.claims if claim not in claims]
		outcomes = [self.outcome() for _ in claims]
		return self.do('report_many', """SELECT outcome FROM recall.report_many(%s, %s, %s, %s::recall.failure_cause[], %s::text[],
			%s::timestamptz[], %s::timestamptz[], %s::text[])""",
			[tenant, [claim['contact'] for claim in claims], [claim['token'] for claim in claims], *map(list, zip(*outcomes))],
			tenant=tenant, reports=[dict(claim, outcome=outcome, code=outcome[-1]) for claim, outcome in zip(claims, outcomes)])

	def release(self, tenant):
		if self.claims:
			claim = self.claims.pop()
			self.call('release', claim['tenant'], claim['contact'], claim['token'], **claim)

	def forget(self, tenant):
		"""Leave a call without a report: its lease runs out."""
		if self.claims:
			self.claims.pop()

	def record_call(self, tenant):
		outcome = self.outcome()
		contact = self.choose.randint(1, self.load.contacts[tenant])
		self.call('record_call', tenant, contact, *outcome[:2], None, *outcome[2:], tenant=tenant, contact=contact, code=outcome[-1])

	def resolve(self, tenant):
		contact = self.choose.randint(1, self.load.contacts[tenant])
		self.call('resolve', tenant, contact, 'busy', None, tenant=tenant, contact=contact)

	def schedule_callback(self, tenant):
		contact = self.choose.randint(1, self.load.contacts[tenant])
		self.call('schedule_callback', tenant, contact, datetime.datetime.now(datetime.timezone.utc), tenant=tenant, contact=contact)

	def recycle(self, tenant):
		what = self.call('recycle', tenant, self.choose.randint(1, BATCHES), tenant=tenant)
		if what['answer'] == 'ok':
			self.load.recycles[tenant] = what['rows'][0][0]

	def change_recycle(self, tenant):
		function = self.choose.choice(['cancel', 'pause', 'resume', 'withdraw', 'retry']) + '_recycle'
		chosen = self.choose.randint(max(1, self.load.recycles[tenant] - 3), max(1, self.load.recycles[tenant]))
		if self.load.recycles[tenant]:
			self.call(function, tenant, chosen, tenant=tenant, recycle=chosen)

	def add_contact(self, tenant):
		code = f'contact {next(self.load.codes)}'
		number = f'+4930{self.choose.randint(1000000, 1000400)}'
		what = self.call('add_contact', tenant, self.choose.randint(1, BATCHES), [number], None, 0, code, tenant=tenant, code=code, many=1)
		if what['answer'] == 'ok':
			self.load.contacts[tenant] = max(self.load.contacts[tenant], what['rows'][0][0])

	def add_contacts(self, tenant):
		code, many = f'contact {next(self.load.codes)}', self.choose.randint(2, 20)
		self.do('add_contact', """CREATE TEMP TABLE more AS SELECT ARRAY['+4931' || 1000000 + i] AS numbers, %s AS reference FROM generate_series(1, %s) i;
			SELECT recall.add_contacts(%s, %s, 'more'); DROP TABLE more""", [code, many, tenant, self.choose.randint(1, BATCHES)],
			tenant=tenant, code=code, many=many)

	def suppress(self, tenant):
		number = f'+4930{self.choose.randint(1000000, 1000030)}'
		self.call(self.choose.choice(['suppress', 'unsuppress', 'unsuppress']), tenant, number, tenant=tenant)


# What a dialer does, and how often.
ACTIONS = {Dialer.claim: 20, Dialer.report: 45, Dialer.report_many: 10, Dialer.release: 4, Dialer.forget: 4, Dialer.record_call: 8,
	Dialer.resolve: 5, Dialer.schedule_callback: 3, Dialer.recycle: 6, Dialer.change_recycle: 4, Dialer.add_contact: 8, Dialer.add_contacts: 3,
	Dialer.suppress: 2}
