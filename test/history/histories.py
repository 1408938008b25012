#!/usr/bin/python3
"""
Many short random histories of dialing: that it loses no call, doubles none, and answers nothing unexpected.

	histories.py [--histories N] [--seed SEED] [--clients N] [--folder FOLDER] CONNECTION

A history is a small world, a tenant of its own, in which all clients, each with a connection of its own, do at the same
time whatever the interface allows: claim, report with right and wrong tokens, let leases run out, recycle, suppress,
suspend and so on. A seed decides the world and what each client tries; how they interleave is up to the server. So
each client notes what it did, what it was told, and when, by this machine's clock, which is the server's too; and
checks.sql finds what no order of these operations explains.

Meanwhile somebody else looks, again and again, whether recall.verify() finds anything, which must never be.

Some leases last a second. So that nobody waits for them, histories are run in rounds: the first act of each; when
those leases have run out, the second act of each, and so on; then, in peace, what may be claimed is claimed; then the
round is checked and forgotten.

History i of a run has seed SEED + i, and --histories 1 --seed SEED tries the same again. What is known of a history in
which something was wrong is written to FOLDER. An interrupt (SIGINT) ends the run after the round, with its tally. The
database needs the extension; the schema "history" is made anew.
The status is 1 when something was wrong.
"""
import argparse
import datetime
import io
import itertools
import os
import random
import re
import signal
import sys
import threading
import time

import psycopg2

ROUND = 125  # histories
PAUSE = 0.3  # seconds between two looks at the invariants
ACTS = 3
OPERATIONS = 2  # that each client does in an act
MAX_FAILED = 10  # histories with something wrong, after which the run gives up

# Policies, and whether they are fit for automatic recall. The windows are longer than any history.
POLICIES = [
	('failed; limit 4', False),
	('failed next number; result refused never; limit 6', False),
	('busy, no_answer; unknown max 1; result later max 2; limit 3 per 1 h per number', False),
	('failed after 1 s; result refused never; limit 5', True),
	('busy, no_answer after 1 s max 2; unknown after 1 s max 1; limit 5', True),
	('failed after 1 s next number; result refused never; limit 2 per 1 h per number; limit 8', True),
	('class busy after 1 s max 3 next number; no_answer after 1 s; unknown never; limit 3 per number; limit 6', True),
	('unknown after 1 s max 2; failed after 1 s next number; limit 2 per 2 days per number; limit 6', True),
	('failed after 1 s, 2 s; quiet 1 h after answered per number; result refused never; limit 5', True),
	('result later after 1 s max 2; busy after 1 s next number; result refused never; limit 3 per 1 h; limit 6', True),
	('unknown after 1 s; failed after 1 s; answered after 1 s; limit 1 per 1 day per number; limit 4', True),
]
CAUSES = ['busy', 'busy', 'no_answer', 'no_answer', None, None, 'unallocated', 'congestion', 'platform_failure', 'unknown']
RESULTS = [None, None, None, None, 'refused', 'later']

# What is noted of an operation and of a row that a claim returned: the columns of history.operation and history.claimed.
NOTED = ['tenant_id', 'operation', 'client', 'kind', 'began', 'ended', 'task_id', 'batch_id', 'contact_id', 'recycle_id',
	'token', 'fault', 'max_rows', 'number', 'failure_cause', 'business_result', 'raw_code', 'called_at', 'statement',
	'answer', 'sqlstate', 'message']
CLAIMED = ['tenant_id', 'operation', 'contact_id', 'number', 'token', 'attempt', 'lease_until', 'recycle_id', 'batch_id',
	'due_at']


def instant():
	return datetime.datetime.now(datetime.timezone.utc)


class World:
	"""A tenant with tasks, batches and contacts, and what the clients know of it."""

	def __init__(self, seed):
		self.seed = seed
		self.claims = []  # of all clients: contact, token, whether somebody has ended it
		self.recycles = 0
		self.last_claimed_recycle = None
		self.suspended = set()
		self.pause_until = 0  # when the leases of a second have run out

	def create(self, client):
		"""Decide on the world and make it."""
		choose = random.Random(self.seed)
		self.tasks, self.batches, self.contacts = choose.randint(1, 2), choose.randint(1, 3), choose.randint(3, 12)
		self.numbers = [f'+1202555{i:04}' for i in range(choose.randint(3, 10))]
		self.tenant = client.ask('SELECT recall.create_tenant(%s, recycle_limit => %s)',
			[str(self.seed), choose.choice([2, 500000, 500000])])[0][0]
		steps = [f"create_business_result({self.tenant}, '{code}', 'result')" for code in ('refused', 'later')]
		for task in range(1, self.tasks + 1):
			policy, automatic = choose.choice(POLICIES)
			automatic = automatic and choose.random() < 0.5
			steps += [f"create_task({self.tenant}, 'task', 'predicted', '{policy}', auto_recall => {automatic})",
				f'start_task({self.tenant}, {task})']
		for batch in range(1, self.batches + 1):
			steps.append(f"create_batch({self.tenant}, {choose.randint(1, self.tasks)}, 'batch')")
			if choose.random() < 0.9:
				steps.append(f'start_batch({self.tenant}, {batch})')
			else:
				self.suspended.add(('batch', batch))
		for _ in range(self.contacts):
			numbers = ','.join(self.some_numbers(choose))
			steps.append(f"add_contact({self.tenant}, {choose.randint(1, self.batches)}, '{{{numbers}}}', "
				f'priority => {choose.randrange(3)})')
		plan = '\n'.join(f'SELECT recall.{step};' for step in steps)
		client.run(plan)
		client.run('INSERT INTO history.world VALUES (%s, %s, %s)', [self.tenant, self.seed, plan])

	def some_numbers(self, choose):
		first = choose.randrange(len(self.numbers))
		return (self.numbers[first:] + self.numbers[:first])[:choose.randint(1, 3)]

	def some_claim(self, choose):
		"""A claim, mostly one that nobody has ended yet; None when there is none."""
		claims = self.claims[:]
		if choose.random() < 0.85:
			claims = [claim for claim in claims if not claim[2]]
		return choose.choice(claims) if claims else None

	def ended(self, token):
		for claim in self.claims:
			if claim[1] == token:
				claim[2] = True


class Client:
	"""A connection, and what was done over it in a round."""

	ids = itertools.count(1)

	def __init__(self, number, connection):
		self.number = number
		self.connection = psycopg2.connect(connection)
		self.connection.autocommit = True
		self.cursor = self.connection.cursor()
		self.run('SET client_min_messages = warning; SET recall.chunk_size = 2')
		self.noted, self.claimed, self.operations = [], [], 0

	def run(self, statement, values=None):
		self.cursor.execute(statement, values)

	def ask(self, statement, values=None):
		self.run(statement, values)
		return self.cursor.fetchall()

	def do(self, world, kind, statement, values, **what):
		"""Do an operation and note it; return the note, with the rows that it gave."""
		what.update(tenant_id=world.tenant, operation=next(self.ids), client=self.number, kind=kind, rows=[], began=instant())
		try:
			self.run(statement, values)
			what['rows'] = self.cursor.fetchall() if self.cursor.description else []
			what['answer'] = what['rows'][0][0] if what['rows'] else None
		except psycopg2.Error as error:
			if error.pgcode is None:
				raise
			what.update(sqlstate=error.pgcode, message=error.diag.message_primary)
		what.update(ended=instant(), statement=self.cursor.query.decode())
		self.noted.append(what)
		self.operations += 1
		return what

	def call(self, world, function, *arguments, **what):
		"""Do an operation that is the call of a function with the tenant and other arguments."""
		return self.do(world, function, f"SELECT recall.{function}(%s{', %s' * len(arguments)})",
			[world.tenant, *arguments], **what)

	def save(self):
		"""Put what was noted where checks.sql reads it."""
		for table, columns, rows in ('operation', NOTED, self.noted), ('claimed', CLAIMED, self.claimed):
			text = io.StringIO()
			for row in rows:
				text.write('\t'.join('\\N' if row.get(column) in (None, '') else re.sub(r'[\t\n\\]', ' ', str(row[column]))
					for column in columns) + '\n')
			text.seek(0)
			self.cursor.copy_expert(f"COPY history.{table} ({', '.join(columns)}) FROM STDIN", text)
			rows.clear()


def claim(client, world, choose, task=None, rows=None, lease=None):
	task = task or choose.randint(1, world.tasks)
	rows = rows or choose.choice([1, 1, 2, 3, 10])
	what = client.do(world, 'claim', f"SELECT {', '.join(CLAIMED[2:])} FROM recall.claim(%s, %s, %s, %s, %s)",
		[world.tenant, task, rows, lease or choose.choice(['1 s', '5 min']), f'client {client.number}'],
		task_id=task, max_rows=rows)
	what['answer'] = len(what['rows'])
	for row in what['rows']:
		row = dict(zip(CLAIMED, (world.tenant, what['operation'], *row)))
		client.claimed.append(row)
		world.claims.append([row['contact_id'], row['token'], False])
		world.last_claimed_recycle = row['recycle_id'] or world.last_claimed_recycle


def some_call(client, choose):
	"""An outcome that no other call has."""
	return dict(failure_cause=choose.choice(CAUSES), business_result=choose.choice(RESULTS),
		raw_code=f'{client.number}-{client.operations}-{choose.randrange(1000000)}', called_at=instant())


def some_report(client, world, choose):
	"""What to report, sometimes with a fault; None when nothing was claimed."""
	chosen, other = world.some_claim(choose), world.some_claim(choose)
	if not chosen:
		return None
	what = dict(contact_id=chosen[0], token=chosen[1], fault=None, **some_call(client, choose))
	luck = choose.random()
	if luck < 0.04:
		what.update(token=chosen[1] ^ 1, fault='token')
	elif luck < 0.08 and other and other[0] != chosen[0]:
		what.update(token=other[1], fault='token')
	elif luck < 0.10:
		what.update(business_result='no_such_result', fault='result')
	elif luck < 0.11:
		what.update(contact_id=1000000, fault='contact')
	return what


def report(client, world, choose):
	what = some_report(client, world, choose)
	if not what:
		return claim(client, world, choose)
	what = client.call(world, 'report', what['contact_id'], what['token'], what['failure_cause'], what['business_result'],
		what['called_at'], what['called_at'], what['raw_code'], **what)
	if what.get('answer'):
		world.ended(what['token'])


def report_many(client, world, choose):
	calls = [call for call in (some_report(client, world, choose) for _ in range(choose.randint(2, 4))) if call]
	if not calls:
		return
	for nth, call in enumerate(calls):
		call['raw_code'] += f'-{nth}'
	columns = [[call[column] for call in calls] for column in ('contact_id', 'token', 'failure_cause', 'business_result',
		'called_at', 'called_at', 'raw_code')]
	whole = client.do(world, 'report', 'SELECT contact_id, outcome FROM recall.report_many(%s, %s::bigint[], %s::bigint[], '
		'%s::recall.failure_cause[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[])', [world.tenant, *columns])
	client.noted.pop()
	for nth, call in enumerate(calls):
		if not whole.get('sqlstate'):
			contact, outcome = whole['rows'][nth] if nth < len(whole['rows']) else (None, None)
			whole['answer'] = outcome if contact == call['contact_id'] else 'misplaced'
			world.ended(call['token'])
		client.noted.append({**whole, **call})


def extend(client, world, choose):
	use_token(client, world, choose, 'extend', choose.choice(['1 s', '5 min']))


def release(client, world, choose):
	what = use_token(client, world, choose, 'release')
	if what and not what.get('sqlstate'):
		world.ended(what['token'])


def use_token(client, world, choose, function, *arguments):
	chosen = world.some_claim(choose)
	if not chosen:
		return None
	wrong = choose.random() < 0.1
	token = chosen[1] ^ 1 if wrong else chosen[1]
	return client.call(world, function, chosen[0], token, *arguments, contact_id=chosen[0], token=token,
		fault='token' if wrong else None)


def resolve(client, world, choose):
	chosen = world.some_claim(choose)
	if chosen:
		call = some_call(client, choose)
		client.call(world, 'resolve', chosen[0], call['failure_cause'], call['business_result'], contact_id=chosen[0],
			failure_cause=call['failure_cause'], business_result=call['business_result'])


def record_call(client, world, choose):
	contact, call = choose.randint(1, world.contacts), some_call(client, choose)
	client.call(world, 'record_call', contact, call['failure_cause'], call['business_result'], None, call['called_at'],
		call['called_at'], call['raw_code'], contact_id=contact, **call)


def schedule_callback(client, world, choose):
	contact = choose.randint(1, world.contacts)
	client.call(world, 'schedule_callback', contact, instant() + datetime.timedelta(seconds=choose.random() * 1.5),
		contact_id=contact)


def recycle(client, world, choose):
	batch = choose.randint(1, world.batches)
	created = client.call(world, 'recycle', batch, batch_id=batch).get('answer')
	world.recycles = max(world.recycles, created or 0)
	if created:
		for _ in range(choose.randint(0, 3)):
			step(client, world)


def change_recycle(client, world, choose):
	if world.recycles == 0:
		return recycle(client, world, choose)
	chosen = choose.choice([world.recycles, choose.randint(1, world.recycles), world.last_claimed_recycle or 1])
	function = choose.choice(['cancel', 'pause', 'pause', 'resume', 'retry', 'withdraw']) + '_recycle'
	changed = client.call(world, function, chosen, recycle_id=chosen)
	if function in ('pause_recycle', 'cancel_recycle') and not changed.get('sqlstate'):
		claim(client, world, choose, rows=10)
		release(client, world, choose)


def process(client, world, choose=None):
	client.do(world, 'process', 'CALL recall.process()', None)


def step(client, world, choose=None):
	"""A step of the processor: behind it a record is running still, and can be paused."""
	client.do(world, 'step', 'SELECT recall._step(0, %s)', [world.tenant - 1])


def suppress(client, world, choose):
	number, task = choose.choice(world.numbers), choose.choice([None, None, choose.randint(1, world.tasks)])
	client.call(world, 'suppress', number, choose.choice(['infinity', instant() + datetime.timedelta(hours=1)]), None, task,
		number=number, task_id=task)


def unsuppress(client, world, choose):
	number, task = choose.choice(world.numbers), choose.choice([None, None, choose.randint(1, world.tasks)])
	client.call(world, 'unsuppress', number, task, number=number, task_id=task)


def switch(client, world, choose):
	"""Suspend a task or a batch, or start it again."""
	kind, chosen = choose.choice([('task', choose.randint(1, world.tasks)), ('batch', choose.randint(1, world.batches))])
	off = (kind, chosen) in world.suspended
	world.suspended ^= {(kind, chosen)}
	client.call(world, f"{'start' if off else 'suspend'}_{kind}", chosen, **{f'{kind}_id': chosen})


def finish_batch(client, world, choose):
	batch = choose.randint(1, world.batches)
	client.call(world, 'finish_batch', batch, batch_id=batch)


def add_contact(client, world, choose):
	batch = choose.randint(1, world.batches)
	what = client.call(world, 'add_contact', batch, world.some_numbers(choose), batch_id=batch)
	world.contacts = max(world.contacts, what.get('answer') or 0)


# What a client does, and how often.
CHOICES = {claim: 170, report: 305, report_many: 45, extend: 40, release: 70, resolve: 50, record_call: 70, recycle: 80,
	schedule_callback: 25, change_recycle: 60, process: 6, step: 35, suppress: 15, unsuppress: 10, switch: 25, finish_batch: 3,
	add_contact: 12}


class Verifier(threading.Thread):
	"""Looks for what breaks an invariant while the clients are at work, in snapshots of whatever they have committed."""

	def __init__(self, connection):
		super().__init__()
		self.client = Client('verifier', connection)
		self.looks, self.found, self.broken, self.over = 0, set(), None, threading.Event()

	def run(self):
		try:
			while not self.over.wait(PAUSE):
				self.found.update(self.client.ask('SELECT * FROM recall.verify()'))
				self.looks += 1
		except psycopg2.Error as error:
			self.broken = error

	def end(self):
		self.over.set()
		self.join()
		if self.broken:
			raise self.broken


class Run:
	"""All clients and the round that they are at."""

	def __init__(self, options):
		self.options = options
		self.clients = [Client(number, options.connection) for number in range(options.clients)]
		self.barrier = threading.Barrier(options.clients)
		self.done = self.failed = 0  # histories
		self.broken = None
		self.interrupted = False
		self.over = False

	def all(self):
		"""Do everything; return the number of histories in which something was wrong."""
		self.verifier = Verifier(self.options.connection)
		threads = [threading.Thread(target=self.guarded, args=[client]) for client in self.clients]
		for thread in threads + [self.verifier]:
			thread.start()
		for thread in threads:
			thread.join()
		self.verifier.end()
		for fault in self.verifier.found:
			print('while it ran:', *fault, flush=True)
		return self.failed + len(self.verifier.found)

	def guarded(self, client):
		"""Be a client; when one breaks, so do all."""
		try:
			self.be(client)
		except threading.BrokenBarrierError:
			pass
		except BaseException as error:
			self.broken = self.broken or error
			self.barrier.abort()

	def be(self, client):
		last = self.options.seed + self.options.histories
		for first in range(self.options.seed, last, ROUND):
			if client.number == 0:
				self.worlds = [World(seed) for seed in range(first, min(first + ROUND, last))]
			self.barrier.wait()
			self.play(client)
			if client.number == 0:
				self.check(client)
				self.done += len(self.worlds)
				if self.options.progress and self.done % (20 * ROUND) == 0:
					print(f'{self.done} histories, {self.failed} with something wrong, {self.verifier.looks} looks at the invariants '
						f'meanwhile, {len(self.verifier.found)} faults found', flush=True)
				self.over = self.interrupted or self.failed >= MAX_FAILED
			self.barrier.wait()
			if self.over:
				return

	def play(self, client):
		"""Play the round."""
		mine = self.worlds[client.number::len(self.clients)]
		for world in mine:
			world.create(client)
		for act in range(ACTS):
			for world in self.worlds:
				choose = random.Random(f'{world.seed} {client.number} {act}')
				time.sleep(max(0, world.pause_until - time.time()))
				self.barrier.wait()
				for operation in choose.choices(list(CHOICES), CHOICES.values(), k=OPERATIONS):
					operation(client, world, choose)
				world.pause_until = time.time() + 1.01
		self.barrier.wait()
		if client.number == 0:
			process(client, self.worlds[0])
		self.barrier.wait()
		for world in mine:
			for task in range(1, world.tasks + 1):
				claim(client, world, None, task, 100, '5 min')
		client.save()
		self.barrier.wait()

	def check(self, client):
		"""Say what was wrong in the round, keep what is known of it, and forget the round."""
		wrong = client.ask("""SELECT w.seed, tenant_id, v.rule, v.detail
			FROM history.check_round() v JOIN history.world w USING (tenant_id) ORDER BY 1, 3, 4""")
		for (seed, tenant), rows in itertools.groupby(wrong, lambda row: row[:2]):
			self.failed += 1
			with open(f'{self.options.folder}/{seed}.txt', 'w', encoding='utf-8') as file:
				for *_, rule, detail in rows:
					print(f'seed {seed}: {rule}: {detail}', flush=True)
					print(f'{rule}: {detail}', file=file)
				for title, query in client.ask('SELECT title, query FROM history.page ORDER BY position'):
					print(f'\n== {title}', file=file)
					client.cursor.copy_expert(f"COPY ({query.replace('$1', str(tenant))}) TO STDOUT (HEADER)", file)
		client.run('SELECT history.forget_round()')


def main():
	parser = argparse.ArgumentParser(description='Random histories of dialing, checked.')
	parser.add_argument('--histories', type=int, default=1000)
	parser.add_argument('--seed', type=int, default=1)
	parser.add_argument('--clients', type=int, default=8)
	parser.add_argument('--folder', default='.')
	parser.add_argument('--progress', action='store_true')
	parser.add_argument('connection')
	options = parser.parse_args()
	began = time.time()
	run = Run(options)
	signal.signal(signal.SIGINT, lambda *_: setattr(run, 'interrupted', True))
	with open(os.path.join(os.path.dirname(__file__), 'checks.sql'), encoding='utf-8') as script:
		run.clients[0].run(script.read())
	failed = run.all()
	if run.broken:
		raise run.broken
	for kind, answer, times in run.clients[0].ask('SELECT kind, answer, times FROM history.tally ORDER BY 1, 2'):
		print(f'tally {kind} {answer} {times}')
	print(f'{run.done} histories from seed {options.seed} on, {options.clients} clients, '
		f'{sum(client.operations for client in run.clients)} operations, {time.time() - began:.0f} s, {run.verifier.looks} looks at the '
		f'invariants meanwhile, {failed} with something wrong')
	return 1 if failed else 0


if __name__ == '__main__':
	sys.exit(main())
