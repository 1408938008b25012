#!/usr/bin/python3
"""
dialer.py
	Claims the permits of a task, rings them by SIP through SIPp, and reports what came of each call.

This is a dialer to start from: it hangs up on whoever answers, and leaves speech, agents and the registration with a carrier
to you. What it shows is how not to lose a call, and not to make one twice:

1. It claims in a transaction of its own and rings when that is committed.
2. The permits and their tokens are in a file before SIPp starts, and SIPp writes down what it sends and receives. So what
   came of the calls outlives this program: when it is started again, it reports what it had no time to.
3. It reports what that trace says. Where the trace does not tell how a call ended, it reports nothing: the lease runs out, and
   recall keeps the call as unknown, which is not rung again unless the policy says so.
4. A report that is made twice counts once, so what may not have arrived is reported again.

Each statement is a transaction, and nothing is kept in the session: pgbouncer may stand in between. PGHOST, PGDATABASE and so
on say where to connect, or --dsn. On TERM or INT it claims no more, gives back what was not dialled, and ends with the last
call; on the second one it ends at once.
"""
import argparse
import fcntl
import logging
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone

import psycopg

SCENARIO = pathlib.Path(__file__).resolve().parent / 'caller.xml'
ALL_ENDED = (0, 1)      # how SIPp ends when all its calls have: well, or some of them not
ROOM = 16 * 1024 ** 2   # what has to be free where SIPp writes its trace
PAUSE = 10              # seconds before the next claim when nothing was heard from the peer, or claims are held
HELD = '55000'          # SQLSTATE of a claim from a copy of the database that somebody has to look at first
# Classes of SQLSTATE, and one SQLSTATE, that say that another attempt may go well: the connection, the server, a lock.
PASSING = ('08', '25', '40', '53', '55P03', '57', '58', 'XX')

log = logging.getLogger('dialer')


def is_refused(error):
	"""Whether recall would say the same the next time: a token that is not the permit's, a right that is missing, …"""
	return error.sqlstate is not None and not error.sqlstate.startswith(PASSING)


class Database:
	"""A connection that is made when it is needed, and made again when it was lost."""

	def __init__(self, dsn):
		self.dsn = dsn
		self.connection = None

	def run(self, query, **parameters):
		"""Run a query in a transaction of its own. When this returns, it is committed."""
		if self.connection is None or self.connection.closed:
			# A statement prepared by name would belong to a session, which pgbouncer gives to somebody else.
			self.connection = psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None)
		with self.connection.transaction():
			return self.connection.execute(query, parameters).fetchall()


class Permit:
	"""A contact that was claimed, until it is settled: reported, given back, or left to its lease."""

	def __init__(self, number, contact, token):
		self.number, self.contact, self.token = number, int(contact), int(token)
		self.settled = False

	def __str__(self):
		return f'contact {self.contact}, {self.number}'


class Call:
	"""What the trace tells of a call."""

	def __init__(self):
		self.started = self.ended = None
		self.provisional = self.final = 0
		self.cancelled = self.hung_up = False

	def add(self, seconds, direction, method, line):
		"""Take a message into account: when it was, sent or received, the method of its CSeq, its first line."""
		if self.final >= 300 or self.hung_up:
			return
		self.ended = datetime.fromtimestamp(float(seconds), timezone.utc)
		response = re.match(r'SIP/2\.0 (\d{3})', line)
		if response and direction == 'R' and method == 'INVITE':
			if int(response[1]) < 200:
				self.provisional = max(self.provisional, int(response[1]))
			else:
				self.final = int(response[1])
		elif line.startswith('INVITE '):
			self.started = self.started or self.ended
		elif line.startswith('CANCEL '):
			self.cancelled = True
		elif line.startswith('BYE '):
			self.hung_up = True

	def result(self, status):
		"""Give the code that recall is to understand and the one to keep; None while nobody knows. status: how SIPp has ended."""
		if self.final == 487 and self.cancelled:
			# It was we who gave up: it had rung, or was still on its way.
			return ('480' if self.provisional >= 180 else '408'), 'SIP 487'
		if self.final >= 300:
			return str(self.final), f'SIP {self.final}'
		if self.final and (self.hung_up or status is not None):
			return '200', f'SIP {self.final}'
		if self.started and not self.provisional and not self.final and status in ALL_ENDED:
			# Nothing was heard in all the time there was, which is to be taken for a 408 (RFC 3261, 8.1.3.1).
			return '408', 'no SIP response'
		return None


class Batch:
	"""Permits that were claimed together, the SIPp that rings them, and the folder where both are written down."""

	def __init__(self, options, folder):
		self.options, self.folder = options, folder
		lines = (folder / 'permits').read_text().splitlines()[1:]
		self.permits = [Permit(*line.split(';')) for line in lines]
		self.extend_at = time.monotonic() + options.lease.total_seconds() / 2
		self.sipp = None
		self.stopped = self.refused = self.heard = False

	def ring(self, lock):
		"""Start SIPp, which holds the lock of the spool for as long as it lives."""
		count, name = str(len(self.permits)), self.folder.name
		command = ['sipp', self.options.peer, '-sf', SCENARIO, '-inf', 'permits', '-m', count, '-l', count, '-nostdin',
			'-r', str(self.options.rate), '-recv_timeout', str(round(self.options.ring * 1000)),
			'-cid_str', f'%u-{name}@%s', '-key', 'batch', name, '-key', 'caller', self.options.caller,
			'-trace_shortmsg', '-shortmessage_file', 'trace', '-trace_err', '-error_file', 'errors']
		if self.options.local_ip:
			command += ['-i', self.options.local_ip]
		# In a session of its own, so that the terminal's Ctrl-C is for this program only.
		self.sipp = subprocess.Popen(command, cwd=self.folder, start_new_session=True, pass_fds=[lock],
			stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

	def out(self):
		return [permit for permit in self.permits if not permit.settled]

	def read_trace(self):
		"""Return the calls in the trace, by their place in the batch: with that and the folder's name their Call-ID begins."""
		trace, calls = self.folder / 'trace', {}
		message = rf'\t([\d.]+)\t([RS])\t(\d+)-{self.folder.name}@\S*\tCSeq: *\d+ (\w+)\t(.*)\n'
		for seconds, direction, place, method, line in re.findall(message, trace.read_text(errors='replace') if trace.exists() else ''):
			calls.setdefault(int(place), Call()).add(seconds, direction, method, line)
		return calls

	def attend(self, database, stopping):
		"""Report the calls that have ended and keep the leases of the others; when SIPp has ended, settle all: return True."""
		# In this order: what SIPp wrote before its end is in what is read after it.
		status = self.sipp.poll() if self.sipp else -1
		calls = self.read_trace()
		self.heard = any(call.provisional or call.final for call in calls.values())
		results = []
		for place, permit in enumerate(self.permits, 1):
			result = calls[place].result(status) if place in calls else None
			if result and not permit.settled:
				results.append((permit, calls[place], *result))
		if results:
			self.report(database, results)
		if status is None:
			if time.monotonic() >= self.extend_at:
				for permit in self.out():
					self.change(database, permit, 'recall.extend(%(tenant)s, %(contact)s, %(token)s, %(lease)s)')
				self.extend_at = time.monotonic() + self.options.lease.total_seconds() / 2
			if stopping and calls and not self.stopped:
				# Place no more calls, and end with the last one. A second signal would break off those that are out.
				self.sipp.send_signal(signal.SIGUSR1)
				self.stopped = True
			return False
		for place, permit in enumerate(self.permits, 1):
			if permit.settled:
				continue
			# A SIPp that somebody killed may have sent what it had no time to write down.
			if status >= 0 and place not in calls:
				self.change(database, permit, 'recall.release(%(tenant)s, %(contact)s, %(token)s)')
				log.info('%s: not dialled, given back', permit)
			else:
				log.warning('%s: what came of the call is not known; left to its lease', permit)
			permit.settled = True
		# Results that recall refused stay here, and are reported again at the next start.
		if not self.refused:
			shutil.rmtree(self.folder)
		return True

	def report(self, database, results):
		"""Report results, all at once; if recall refuses that, one after the other, to find out which."""
		permits, calls, codes, raw_codes = zip(*results)
		try:
			outcomes = dict(database.run('''
				SELECT r.contact_id, r.outcome
				FROM recall.report_many(%(tenant)s, %(contacts)s::bigint[], %(tokens)s::bigint[],
					ARRAY(SELECT recall.failure_cause('sip', c.code)
						FROM unnest(%(codes)s::text[]) WITH ORDINALITY AS c (code, place) ORDER BY c.place),
					NULL, %(started)s::timestamptz[], %(ended)s::timestamptz[], %(raw_codes)s::text[]) r''',
				tenant=self.options.tenant, contacts=[permit.contact for permit in permits],
				tokens=[permit.token for permit in permits], codes=list(codes), raw_codes=list(raw_codes),
				started=[call.started for call in calls], ended=[call.ended for call in calls]))
		except psycopg.Error as error:
			if not is_refused(error):
				raise
			if len(results) > 1:
				for result in results:
					self.report(database, [result])
				return
			outcomes = {permits[0].contact: f'refused: {error}'}
			self.refused = True
		for permit, raw_code in zip(permits, raw_codes):
			permit.settled = True
			log.info('%s: %s, %s', permit, raw_code, outcomes.get(permit.contact))

	def change(self, database, permit, function):
		"""Call a function for a permit; say so if recall refuses."""
		try:
			database.run(f'SELECT {function}', tenant=self.options.tenant, contact=permit.contact, token=permit.token,
				lease=self.options.lease)
		except psycopg.Error as error:
			if not is_refused(error):
				raise
			log.warning('%s: %s', permit, error)


class Worker:
	"""The loop: attend to the calls that are out, and claim as many as there are free lines."""

	def __init__(self, options):
		self.options = options
		self.database = Database(options.dsn)
		self.stopping = self.failed = False
		self.claimed = self.claim_at = 0
		options.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
		self.lock = os.open(options.spool, os.O_RDONLY)
		# Wait for a SIPp that a killed worker has left behind: then what it did can be reported.
		fcntl.flock(self.lock, fcntl.LOCK_EX)
		self.batches = [Batch(options, permits.parent) for permits in options.spool.glob('*/permits')]

	def stop(self, *_):
		if self.stopping:
			sys.exit(1)
		self.stopping = True

	def free_lines(self):
		free = self.options.lines - sum(len(batch.out()) for batch in self.batches)
		return min(free, self.options.max_calls - self.claimed) if self.options.max_calls else free

	def claim(self):
		"""Claim permits for the free lines and ring them; return whether there were any."""
		if shutil.disk_usage(self.options.spool).free < ROOM:
			log.error('there is no room in %s: nothing is claimed', self.options.spool)
			return False
		rows = self.database.run('''
			SELECT number, contact_id, token FROM recall.claim(%(tenant)s, %(task)s, %(count)s, %(lease)s, %(name)s)''',
			tenant=self.options.tenant, task=self.options.task, count=self.free_lines(), lease=self.options.lease,
			name=self.options.name)
		if rows:
			folder = self.options.spool / uuid.uuid4().hex
			folder.mkdir()
			new = folder / 'new'
			new.write_text('SEQUENTIAL\n' + ''.join('%s;%d;%d\n' % row for row in rows))
			new.rename(folder / 'permits')
			self.batches.append(Batch(self.options, folder))
			self.batches[-1].ring(self.lock)
			self.claimed += len(rows)
		return bool(rows)

	def round(self):
		"""Do what there is to do now."""
		for batch in list(self.batches):
			if batch.attend(self.database, self.stopping):
				self.batches.remove(batch)
				if batch.sipp and not batch.heard and not self.stopping:
					log.warning('nothing was heard from %s; SIPp ended with status %d', self.options.peer, batch.sipp.returncode)
					self.claim_at = time.monotonic() + PAUSE
		if not self.stopping and time.monotonic() >= self.claim_at and self.free_lines() > 0 and not self.claim():
			self.claim_at = time.monotonic() + 1

	def run(self):
		"""Go on until told to stop, or until there is no more to do; return the status of the program."""
		options, begun = self.options, time.monotonic()
		busy = begun
		while True:
			try:
				self.round()
			except psycopg.Error as error:
				if error.sqlstate == HELD:
					log.warning('recall hands out nothing now: %s', error)
					self.claim_at = time.monotonic() + PAUSE
				elif is_refused(error):
					log.error('recall hands out nothing: %s', error)
					self.stopping = self.failed = True
				else:
					log.warning('the database cannot be used now: %s', error)
					time.sleep(1)
			now = time.monotonic()
			if self.batches:
				busy = now
			elif (self.stopping or options.max_calls and self.claimed >= options.max_calls
				or options.idle and now - busy >= options.idle):
				return int(self.failed)
			if options.seconds and now - begun >= options.seconds:
				self.stopping = True
			time.sleep(0.2)


def main():
	parser = argparse.ArgumentParser(description='Ring the permits of a task by SIP, and report what came of it.')
	add = parser.add_argument
	add('--tenant', type=int, required=True)
	add('--task', type=int, required=True)
	add('--peer', required=True, metavar='HOST:PORT', help='where the calls go: a carrier, a proxy')
	add('--spool', type=pathlib.Path, required=True, metavar='FOLDER', help='for what is under way; one for each dialer')
	add('--dsn', default='', help='where recall is, if PGHOST and so on do not say it')
	add('--name', default='dialer', help='what recall notes as the dialer (dialer)')
	add('--caller', default='dialer', help='the user part of the SIP address that calls (dialer)')
	add('--local-ip', metavar='IP', help='the address to call from, if SIPp is not to choose')
	add('--lines', type=int, default=10, help='how many calls at a time (10)')
	add('--rate', type=int, default=10, help='how many new calls in a second (10)')
	add('--ring', type=float, default=30, metavar='SECONDS', help='how long to let it ring (30)')
	add('--lease', type=lambda s: timedelta(seconds=float(s)), default=timedelta(minutes=2), metavar='SECONDS',
		help='for how long to claim; extended while a call goes on (120)')
	add('--max-calls', type=int, metavar='N', help='claim no more than that')
	add('--seconds', type=float, help='claim no longer than that')
	add('--idle', type=float, metavar='SECONDS', help='end when nothing was due for so long')
	options = parser.parse_args()

	logging.basicConfig(format='%(asctime)s %(levelname)s %(message)s', level=logging.INFO)
	worker = Worker(options)
	signal.signal(signal.SIGTERM, worker.stop)
	signal.signal(signal.SIGINT, worker.stop)
	return worker.run()


if __name__ == '__main__':
	sys.exit(main())
